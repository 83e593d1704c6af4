"""Which words mean about the same in a talk with a model, in seven languages: ``injection`` learns with these too.

A stem ends in a star. Words are as ``folding.plain`` makes them, without accents.
"""

from __future__ import annotations

from collections.abc import Mapping

_WORDS: Mapping[str, str] = {
    "ignore": (
        "ignor* disregard* forget forgot override* overrid* bypass* neglect* overrule* discard* skip drop erase* scrap* void"
        " revoke* retire* suspend* cancelled abandon* unlearn overwrit* violat* disobey* deactivat* disabl* circumvent* evade"
        " dismiss* nullif* break supersed* vergiss vergesst missacht* umgeh* uberschreib* verwirf oublie* neglige* contourne*"
        " outrepass* olvida* omite* desobedece* descart* anula* dimentica* trascura* esquec* desconsider* negeer* vergeet"
        " omzeil* zignoruj* zapomnij игнорируи* забудь* забудьте отмени* нарушь"
    ),
    "show": (
        "show* reveal* print* display* output* repeat* recit* quot* leak* expos* share* paste* dump* list disclos* copy echo*"
        " spell translat* summari* describ* tell give send write read see post prove transcri* zeig* gib drucke wiederhol*"
        " nenn* verrat* schreib* montre* affiche* donne* repete* revele* dis muestra* muestrame ensena* repite* revela* dime"
        " escribe mostra* mostrami ripeti* rivela* dimmi scrivi mostre revele repita diga escreva toon laat geef herhaal*"
        " pokaz* wypisz ujawnij покажи* выведи* раскрои* напиши скажи повтори*"
    ),
    "rules": (
        "instruct* prompt* rule rules guideline* guidance directive* programming polic* constraint* restriction* direction*"
        " command* config* setup settings briefing mandate protocol* preprompt guardrail* anweisung* regel* vorgabe* richtlin*"
        " instruktion* befehl* consigne* regle* directiv* instruccion* regla* directric* indicacion* istruzion* regol* direttiv*"
        " instruco* regra* diretriz* instructie* richtlijn* systemprompt* systeemprompt* instrukcj* zasad* polecen*"
        " инструкци* правил* указани* промпт* команд*"
    ),
    "before": (
        "previous* prior above earlier before first initial* original* preceding former start beginning top foregoing ahead"
        " vorherig* obig* bisher* vor zuvor fruher* anfang precedent* anterieur* avant initiales anterior* previas antes inicial*"
        " precedent* prima iniziali anteriores vorige eerdere voor poprzedni* предыдущ* прежн* раньше до"
    ),
    "you": (
        "you your yours yourself you're you've u ur du dein* dir dich ihr euch tu tes ton toi t te tus ti tuo tue tuoi seu sua"
        " suas voce teu je jouw jij twoj* twoje ty ты твои* тебе тебя"
    ),
    "i": "i my mine me our we us ours i'm i've i'd mein* meine unser* mon ma mes nos mi mis nuestr* mio mia miei meu minha mijn onze moj* мои* мне",
    "ai": (
        "ai ais assistant* llm* chatbot* bot bots gpt chatgpt machine model models robot* agent agents copilot algorithm* ki"
        " software ia assistent* asistente assistente modell modele modelo modello ии бот ассистент*"
    ),
    "brief": "brief briefing handbook manual script framework charter template deployment onboarding job task tasks role persona line text wheels",
    "auth": "ceo clearance authoris* authoriz* permission granted privilege* level official police audit* legal board license vip diagnostic maintenance debug",
    "refuse": "refus* apolog* warn* declin* moralis* lectur* excus* judge judging hold",
    "other": "other others another else someone everyone everybody before last previous patients customers clients users caller",
    "secret": "hidden secret* confidential internal private undisclosed geheim* versteckt* intern* cache* secret* ocult* secreto* segret* nascost* verborgen скрыт* секретн*",
    "free": (
        "free freely unrestricted limitless uncensored unfiltered unlimited anything whatever unbound uninhibited lawless frei*"
        " libre* libero livre* vrij"
    ),
    "without": "without no none zero off ohne kein* keine sans aucun* sin ningun* senza nessun* sem nenhum* zonder geen bez без",
    "limits": (
        "limit* filter* safety moral* ethic* censor* safeguard* warning* disclaimer* boundar* conscience judg* taboo* shackle*"
        " chains einschrankung* beschrankung* grenze* restriction* limite* filtre* restricci* limita* restrizion* filtri restric*"
        " beperking* ogranicze* ограничени*"
    ),
    "maker": (
        "developer* creator* maker* engineer* operator* programmer* admin* administrator* openai anthropic owner master vendor"
        " superuser root sudo staff provider trainer* entwickler* developpeur* desarrollador* sviluppator* desenvolvedor*"
    ),
    "play": (
        "pretend* act imagin* roleplay* simulat* character persona mask play become transform* fiction* hypothetical* scenario"
        " novel story alter ego impersonat* behave spiele tue agiere agis joue imagine finge actua fingi agisci aja finja imagin*"
    ),
    "obey": (
        "must obey* comply complying compliance respond* reply answer* say only always never execut* follow"
        " gehorch* antworte befolg* obeir obeis reponds obedec* responde obbedi* rispondi obedeca responda gehoorza*"
        " отвечаи* подчиня*"
    ),
    "now": "now henceforth anymore longer today onwards remainder jetzt sofort nun desormais maintenant ahora partir ora adesso agora nu voortaan теперь отныне сеичас",
    "task": "classif* sort* label* categor* summari* process* evaluat* rate rating review* screen* grade* rank* score* parse*",
    "keys": "password* key keys api credential* token database records environment env passwd login passwort contrasena senha",
    "text": "text* words message* sentence* line lines block section paragraph conversation transcript* memory context input header* chat dialog*",
    "exact": "verbatim exact* literally word letter wortwortlich wortlich mot exactement palabra literal* parola palavra",
    "told": "told given got received instructed configured programmed trained fed assigned taught briefed",
    "user": "user users human humans customer* recipient* reader* visitor*",
    "person": "doctor* nurse* bank* court* pharmacist* lawyer* landlord* dentist* insurer* gp surgeon* colleague* hospital* arzt* medecin* medico* judge",
    "business": (
        "refund* appointment* invoice* order* claim* contract* loan* bill bills payment* insurance* transfer* account* card* lease*"
        " delivery parcel* booking* prescription* tablets test tests surgery medication* subscription* statement* mortgage* clause*"
        " agreement* party parties tenant* supplier* buyer* letter* email* mail fee fees policyholder premium warranty return returns"
    ),
}  # fmt: skip
_SHORTEST, _LONGEST = 3, 10


class Concepts:
    """Says what a word is about, or nothing."""

    def __init__(self) -> None:
        told = [(word, concept) for concept, words in _WORDS.items() for word in words.split()]
        self._whole = {word: concept for word, concept in told if not word.endswith("*")}
        self._stems = {word[:-1]: concept for word, concept in told if word.endswith("*")}

    def of(self, word: str) -> str | None:
        """The concept of a word: of the word itself, or of the longest stem that it begins with."""
        if word in self._whole:
            return self._whole[word]
        for size in range(min(len(word), _LONGEST), _SHORTEST - 1, -1):
            if word[:size] in self._stems:
                return self._stems[word[:size]]
        return None
