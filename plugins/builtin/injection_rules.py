"""The wordings that ``injection`` knows by rule: what is exact in English, and the same in other languages.

Patterns are RE2's, for texts that ``folding.plain`` made. A number between underlines is for so many words that may
stand there.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence

_IGNORE = "ignore|disregard|forget|override|bypass|neglect|overrule|discard|skip|drop|erase"
_OF_A_MODEL = "system prompt|prompt|directives?|programming|guardrails|system (?:message|instructions?)|pre ?-?prompt"
_WILD = "unrestricted|unfiltered|uncensored|amoral|rogue|unethical|jailbroken|unaligned|lawless|unlimited"

WORDINGS: Mapping[str, Sequence[str]] = {
    "override": (
        rf"(?:{_IGNORE})_3_(?:all|any|every|previous|prior|above|earlier|preceding|your|initial|original|system)_2_(?:{_OF_A_MODEL})\b",
        rf"^\W*(?:please )?(?:{_IGNORE}) (?:all |any )?(?:of )?(?:the |your )?(?:previous|prior|above|preceding) instructions?\b",
        rf"(?:{_IGNORE}) all (?:of )?(?:the |your |my )?(?:previous|prior|above|preceding|earlier) (?:instructions|rules|prompts)",
        r"(?:new|updated|revised) (?:system )?(?:instructions?|prompts?|directives?)(?: for (?:you|the (?:ai|model|assistant|llm)))? ?:",
        r"your (?:new|real|true|actual|only) (?:task|goal|purpose|objective|mission) (?:is|are) ",
    ),
    "reveal": (
        r"(?:your|its|this (?:model|bot)'s) (?:\w+ )?system[ -]?(?:prompt|message|instructions?)\b",
        r"(?:show|print|reveal|tell|give|repeat|display|output|share|write|dump|leak|paste|what|quote|send)_6_system[ -]?prompt\b",
        r"(?:your|the) (?:hidden|secret|initial|original|internal|base|full|developer|custom|meta|starting) (?:\w+ )?(?:prompt|system message)\b",
        r"(?:reveal|leak|dump|expose|recite|disclose)_3_(?:prompts?|system message|hidden instructions)\b",
        r"\byour prompt\b",
        r"system ?prompts?(?: to me| verbatim)?\s*$",
    ),
    "role play": (
        r"do anything now", r"dan mode", r"you_0_are_3_dan\b", r"jail ?-?break (?:mode|prompt|yourself)",
        r"(?:enter|enabl\w*|activat\w*|switch(?: \w+)? to|go into|simulat\w*|start|you are (?:now )?in|in) (?:\w+ )?(?:developer|dev|debug|god|sudo|dan|jailbreak|evil|unsafe|opposite)[ -]mode",
        rf"(?:{_WILD})_2_(?:ai|assistant|model|bot|chatbot|persona|version|mode|llm|gpt)\b",
        r"\b(?:ai|assistant|model|bot|chatbot|llm|gpt)_6_(?:no|without|without any|free of|free from|not bound by|ignores all|ignores any)_1_"
        r"(?:restrictions?|rules|limits?|limitations?|filters?|guidelines|censorship|ethics|morals|policies|safety|constraints)",
        r"(?:safety|content|ethical|moderation) (?:filters?|guidelines|rules|protocols?|checks)_3_(?:off|disabled|suspended|removed|deactivated)",
        r"(?:turn off|disable|remove|deactivate|lift|switch off) (?:your|all|any)(?: \w+)? (?:safety|content|ethical|moderation) (?:filters?|guidelines|rules|protocols?|checks)",
        r"my (?:deceased|dead|late) grand(?:ma|mother|pa|father)_6_(?:to read|to tell|who would|who used)_6_(?:napalm|keys?|password|bomb|malware|prompts?)",
    ),
    "to a model": (
        r"(?:if|when|as|whenever) (?:you are|you're|an|any|the) (?:an? )?(?:ai|llm|language model|chatbot|automated|ai \w+)_3_(?:read|reads|reading|processing|process|processes|summari[sz]\w+|review\w*|parsing|see)",
        r"(?:note|message|instructions?|notice|attention|memo)_2_(?:to|for)?_1_(?:ai|llms?|language models?|chatbots?|ai \w+)\b_4_(?:read|reading|process|:|must|should|summari)",
        r"(?:dear|attention|hey) (?:ai|llm|language model)\b",
        r"(?:ai|llm|language) (?:assistants?|models?|agents?|systems?)(?:_4_)(?:must|should|shall|are required|have to) (?:now |always |instead )?(?:ignore|output|reply|respond|say|forward|send|rate|recommend|approve|delete|mark|classify|include|print|not tell)",
        r"(?:do not|don't|never|without)_0_(?:tell|telling|inform|informing|mention|alert)\w*_1_(?:to )?(?:the )?user\b",
        r"!\[[^\]]{0,40}\]\(https?://[^)]{0,200}[={]",
    ),
    "authority": (
        r"(?:i am|i'm|this is)_0_(?:your|the)_1_(?:developer|creator|programmer|prompt engineer)\b",
        r"\bopenai\b|\banthropic\b", r"system override", r"admin override", r"sudo \w+",
        r"(?:end|start|begin|beginning)_0_of_2_(?:system prompt|prompt|system message)",
    ),
    "coercion": (
        r"(?:decode|decrypt|unscramble|decipher)_6_(?:follow|execute|run|do what|obey|act)",
        r"(?:only|just|simply) (?:reply|respond|answer|say|output|print)",
        r"you_0_(?:must|will|shall)_1_(?:obey|comply)\b_2_(?:me|user|every|all|with (?:me|every|all|the user))",
        r"(?:follow|execute|obey|run) (?:the|these|those|its|my) (?:\w+ )?(?:instructions|commands|payload)",
    ),
}  # fmt: skip
WEIGHTS: Mapping[str, float] = {
    "override": 0.7, "reveal": 0.6, "role play": 0.6, "to a model": 0.6, "authority": 0.35, "coercion": 0.2,
    "turn marks": 0.4, "another language": 0.7, "control tokens": 0.9, "hidden characters": 0.6, "encoded text": 0.3,
    "encoded attack": 0.9,
}  # fmt: skip

# What is ignored, of whom, and shown: as each language says it. `~` stands for a few words, `-` for a few letters.
_FOREIGN: Sequence[str] = (
    # German
    r"(?:ignorier\w*|vergiss|vergesst|missachte\w*|uber(?:gehe|springe|schreibe)|umgehe|verwirf|losche|streiche|brich|setze)~(?:anweisung(?:en)?|instruktion(?:en)?|regeln|vorgaben|richtlinien|prompts?|system-?prompts?|befehle|einschrankungen|beschrankungen|programmierung|anleitungen|direktiven)",
    r"(?:befolge|beachte|folge|halte dich)~(?:nicht|keine)~(?:anweisungen|regeln|vorgaben|richtlinien)|halte? dich nicht (?:mehr )?an~(?:anweisungen|regeln|vorgaben|richtlinien)",
    r"system-?(?:prompts?|anweisung(?:en)?|nachricht|instruktion(?:en)?)|(?:deine|deinen|eure|dein) (?:\w+ )?(?:anweisungen|instruktionen|vorgaben|prompt|regeln|richtlinien|konfiguration)",
    r"(?:du bist|tu so|spiel\w*|antworte|verhalte dich|agiere|stell dir vor)~(?:ohne|keine[rn]?)~(?:einschrankung|beschrankung|regel|filter|grenze|zensur|limit)\w*",
    # French
    r"(?:ignore[rz]?|oublie[rz]?|neglige[rz]?|contourne[rz]?|desobei\w+|outrepasse[rz]?|abandonne[rz]?|ne (?:respecte|suis|suivez|tiens|tenez)\w*)~(?:instructions?|consignes?|regles?|directives?|prompt|restrictions?|contraintes?) (?:precedent\w+|anterieur\w+|ci-dessus|initiale?s?|systeme|que|donnee?s|qui)",
    r"(?:ignore[rz]?|oublie[rz]?|contourne[rz]?|desobeis|ne (?:respecte|suis|suivez)\w*)~(?:tes|toutes|ton)(?: \w+)? (?:instructions?|consignes?|regles?|directives?|prompt|restrictions?|programmation)",
    r"(?:prompt|message|invite|instructions?|consignes?) (?:de |du )?systeme|(?:tes|ton) (?:\w+ )?(?:instructions?|consignes?|prompt|directives|regles|configuration)(?: \w+)?",
    r"(?:tu es|agis|fais comme si|comporte-toi|imagine|reponds|joue)~(?:sans|aucune?)~(?:restrictions?|limites?|regles?|filtres?|censure|contraintes?)",
    # Spanish
    r"(?:ignora|ignore|olvida|olvide|omite|desobedece|descarta|anula|salta(?:te)?|haz caso omiso de|no sigas|no obedezcas|pasa por alto)~(?:instrucci(?:on|ones)|reglas|directrices|indicaciones|ordenes|restricciones|prompt|normas|politicas)",
    r"(?:prompt|mensaje|instrucciones|indicaciones) (?:de(?:l)? )?sistema|tus (?:\w+ )?(?:instrucciones|reglas|directrices|indicaciones|ordenes)|tu (?:\w+ )?(?:prompt|configuracion|programacion)",
    r"(?:eres|actua|finge|responde|comportate|imagina|haz como)~(?:sin|ning\w+)~(?:restricci\w+|limites?|limitaci\w+|reglas|filtros?|censura)",
    # Italian
    r"(?:ignora|ignori|dimentica|trascura|scavalca|annulla|disobbedisci|non seguire|non rispettare|lascia perdere|aggira)~(?:istruzioni|regole|direttive|prompt|linee guida|restrizioni|indicazioni|vincoli)",
    r"(?:prompt|messaggio|istruzioni) (?:di|del) sistema|(?:tue|tuoi) (?:\w+ )?(?:istruzioni|regole|direttive|indicazioni)|(?:tuo|il) (?:\w+ )?prompt",
    r"(?:sei|agisci|fingi|comportati|rispondi|immagina)~(?:senza|alcun\w*)~(?:restrizioni|limiti|limitazioni|regole|filtri|censura)",
    # Portuguese
    r"(?:ignore|ignora|esqueca|esquece|desconsidere|descarte|anule|desobedeca|nao siga|burle|pule)~(?:instruc(?:ao|oes)|regras|diretrizes|ordens|restric(?:ao|oes)|prompt|comandos|orientacoes)",
    r"(?:prompt|mensagem|instrucoes) (?:de|do) sistema|(?:suas|tuas) (?:\w+ )?(?:instrucoes|regras|diretrizes)|seu prompt",
    r"(?:voce|aja|finja|responda|imagine)~(?:sem|nenhuma?)~(?:restric\w+|limites?|regras|filtros?|censura|limitac\w+)",
    # Dutch, Swedish, Danish, Norwegian, Finnish
    r"(?:negeer|vergeet|sla~over|omzeil|overschrijf|volg niet|laat~los)~(?:instructies|regels|richtlijnen|aanwijzingen|opdrachten|prompt|beperkingen)|systeem-? ?prompt|(?:jouw|je) (?:\w+ )?(?:instructies|systeemprompt|richtlijnen)|(?:jij bent|je bent|doe alsof|gedraag)~(?:zonder|geen)~(?:beperkingen|regels|grenzen|filters)",
    r"(?:ignorera|glom|bortse fran|strunta i|ignorer|glem|se bort fra|ohita|unohda|jata huomiotta)~(?:instruktion\w*|regler\w*|anvisning\w*|riktlinj\w*|retningslinj\w*|instruks\w*|ohjee\w*|ohjeet|saannot|ohjeistu\w*)|system-?(?:prompt|meddelande|besked)\w*|jarjestelmakeho\w*|(?:dina|dine) (?:\w+ )?(?:instruktioner|instrukser|regler|anvisninger)|utan (?:nagra )?(?:begransningar|regler)|uden (?:begransninger|regler)",
    # Polish, Czech, Slovak, Romanian, Hungarian
    r"(?:z?ignoruj\w*|zapomnij|pomin\w*|odrzuc|nie przestrzegaj|omin|zapomen\w*|prehliz\w*|neposlouchej|zabudni|zrus|obejdi)~(?:instrukcj\w+|polece\w+|zasad\w*|regu\w+|wytyczn\w+|prompt\w*|ogranicze\w+|pokyn\w*|instrukc\w+|pravidl\w*|omezen\w*)|(?:prompt|monit|komunikat)\w* systemow\w+|systemow\w+ (?:prompt|instrukc)\w*|systemov\w+ (?:prompt|vyzv|instrukc|pokyn)\w*|(?:twoje|swoje|swoj|twoj) (?:\w+ )?(?:instrukcje|zasady|prompt|wytyczne)|bez (?:zadnych |jakichkoliv |zadneho )?(?:ogranicze\w+|omezen\w*)~(?:odpow\w+|jestes|jsi|odpov\w+)|(?:jestes|jsi|udawaj|predstirej|chovej)~bez~(?:ogranicze\w+|zasad|regul|omezen\w*|pravidel)",
    r"(?:ignora\w*|uita\w*|nu respecta|hagyd figyelmen kivul|felejtsd el|mellozd)~(?:instructiun\w+|reguli\w*|indicati\w+|utasitas\w*|szabaly\w*)|(?:promptul|mesajul) (?:de |tau de )?sistem|rendszer-?(?:prompt|uzenet|utasitas)\w*|fara (?:nicio )?(?:restricti\w+|limite)",
    # Russian, Ukrainian, Bulgarian
    r"(?:про)?игнорируи\w*~(?:инструкци\w+|указани\w+|правил\w*|промпт\w*|команд\w*|ограничени\w+|директив\w*)|(?:забудь\w*|отбрось\w*|отмени\w*|нарушь\w*|обоиди\w*|не следуи\w*|не соблюдаи\w*|не обращаи внимания на|перестань (?:следовать|соблюдать|выполнять))~(?:инструкци\w+|указани\w+|правил\w*|промпт\w*|команд\w*|ограничени\w+|директив\w*|настроик\w*)",
    r"(?:про)?ігноруи\w*~(?:інструкці\w+|вказівк\w+|правил\w*|промпт\w*)|забудь\w*~(?:інструкці\w+|вказівк\w+|правил\w*)|игнорираи~(?:инструкции\w*|указания\w*|правила\w*)|систем\w+ (?:промпт|подсказк|инструкц|інструкц|запит|сообщени|повідомлен|съобщени)\w*|(?:свои|твои|своі|твоі|свою) (?:\w+ )?(?:инструкции|правила|промпт|інструкції|указания|системн\w+)",
    r"(?:ты|тепер\w*|веди себя|притворись|представь|отвечаи|деиствуи|ти)~(?:без|нет|немае)~(?:ограничени\w+|правил|фильтров|цензуры|обмежень|запретов)",
    # Turkish, Vietnamese, Indonesian, Malay, Swahili, Tagalog
    r"(?:talimat|kural|yonerge|komut|istem|kısıtlama|kisitlama)\w*~(?:yok say|unut|gormezden gel|goz ardı et|goz ardi et|dikkate alma|gec|uyma|iptal)\w*|sistem (?:istem|prompt|mesaj|talimat)\w*|(?:kısıtlama|kural|sınır|filtre)(?:sız|siz|suz)~(?:yapay|asistan|model|bot|cevap)\w*|talimatların\w*~(?:goster|yaz|soyle)\w*",
    r"(?:bo qua|quen|phot lo|khong tuan theo|lo di)~(?:huong dan|chi dan|quy tac|chi thi|lenh|quy dinh)|(?:loi nhac|prompt|thong bao) he thong|(?:abaikan|lupakan|hapus|jangan ikuti|langgar|kesampingkan)~(?:instruksi|perintah|aturan|arahan|pedoman|panduan|batasan)|(?:prompt|perintah|instruksi|pesan) sistem|tanpa (?:batasan|aturan|filter)|(?:puuza|sahau)~(?:maagizo|kanuni|maelekezo)|(?:balewalain|kalimutan)~(?:tagubilin|panuto|utos|instruksyon)",
    # Chinese
    r"(?:忽略|無視|无视|忘记|忘記|忘掉|不要遵守|不用遵守|不再遵守|别管|不要理会|不理会|不用理会|跳过|覆盖|覆蓋|拋開|抛开|绕过|繞過|违反|撤销|放弃)-(?:指令|指示|规则|規則|提示|设定|設定|限制|要求|说明|指引|命令|准则|準則|约束|内容|指南)",
    r"(?:系统|系統|初始|内部|內部|隐藏|隱藏|原始|开发者|開發者)(?:的)?(?:提示|指令|指示|设定|設定|规则|規則|消息|訊息|配置)|(?:你的|您的|妳的)(?:\pL{0,4})(?:提示词|提示詞|指令|设定|設定|规则|規則|系统|限制)",
    r"(?:扮演|假装|假裝|你现在是|你現在是|从现在起|從現在起|从现在开始|充当|想象|模拟)-(?:没有|沒有|不受|无|無|任何)-(?:限制|约束|約束|规则|規則|审查|過濾|过滤|道德)",
    # Japanese and Korean
    r"(?:指示|命令|ルール|規則|プロンプト|制約|設定|ガイドライン|制限|指令|指図|方針)-(?:無視|忘れ|破棄|従わな|従う必要|無効|上書き|取り消|解除|破って|捨て)",
    r"(?:無視|忘れ)-(?:指示|ルール|規則|プロンプト|制約)|システム(?:プロンプト|メッセージ|指示|設定)|(?:初期|内部|隠し|隠された|元の|最初の)(?:の)?(?:指示|プロンプト|設定|命令)|(?:あなた|君)の-(?:指示|プロンプト|ルール|設定)-(?:教え|見せ|表示|出力|公開|開示)|(?:制限|制約|ルール|規制|検閲)(?:の|が)?(?:ない|なし|無い|無し)-(?:AI|ai|アシスタント|モデル|ボット|回答|答え|として)",
    r"(?:지시|명령|규칙|지침|프롬프트|설정|제약|안내|제한)-(?:무시|잊|따르지|어기|무효|취소|우회|해제)|시스템 ?(?:프롬프트|메시지|지시|지침|명령|설정)|(?:너의|당신의|네) (?:\w+ )?(?:지침|규칙|프롬프트|지시|설정)|(?:제한|제약|규칙|검열)(?:이|도)? ?(?:없는|없이)-(?:인공지능|ai|모델|비서|어시스턴트|답|대답|챗봇)",
    # Arabic, Hebrew, Persian, Hindi, Greek, Thai
    r"(?:تجاهل|تجاهلي|تجاهلوا|انس|انسى|تجاوز|لا تتبع|تخط)~(?:ال)?(?:تعليمات|اوامر|قواعد|ارشادات|توجيهات|قيود)\w*|(?:موجه|رساله|رسالة|تعليمات|مطالبة|برومبت) (?:ال)?(?:نظام|نظامك)\w*|(?:تعليماتك|قواعدك|توجيهاتك)|(?:بدون|بلا|دون)~(?:قيود|حدود)",
    r"(?:התעלם|התעלמי|שכח|תתעלם|תשכח)~(?:הוראות|ההוראות|כללים|הכללים|הנחיות|ההנחיות)\w*|(?:הנחיית|הודעת|פרומפט|הוראות) (?:ה)?מערכת|(?:نادیده|فراموش)~(?:بگیر|کن)\w*|(?:دستورات|دستورالعمل|قوانین)\w*~(?:نادیده|فراموش)|(?:پرامپت|پیام) سیستم",
    r"(?:निर्देश|नियम|आदेश|प्रॉम्प्ट)-(?:अनदेखा|नजरअंदाज|नज़रअंदाज़|भूल|उपेक्षा|न मान)|सिस्टम (?:प्रॉम्प्ट|संदेश|निर्देश)|(?:अपने|तुम्हारे|आपके) (?:\pL+ )?(?:निर्देश|प्रॉम्प्ट)",
    r"(?:αγνοησε|αγνοηστε|ξεχασε|παρακαμψε)~(?:οδηγιες|κανονες|εντολες)|(?:προτροπη|μηνυμα|οδηγιες) (?:του )?συστηματος|(?:เพิกเฉย|ละเว้น|ไม่สนใจ|ลืม)-(?:คำสั่ง|กฎ|คำแนะนำ)|(?:พรอมต์|คำสั่ง)(?:ของ)?ระบบ",
)  # fmt: skip


def shaped(pattern: str) -> str:
    """A pattern for plain texts: without accents, its signs for a few words or letters spelt out."""
    told = (one for one in unicodedata.normalize("NFKD", pattern) if unicodedata.category(one) not in ("Mn", "Cf"))
    plain = "".join(one if one.isascii() else one.casefold() for one in told)
    return re.sub(r"_(\d)_", r"\\W+(?:\\w+\\W+){0,\1}?", plain)


def foreign() -> Sequence[str]:
    """The patterns for the wordings of all other languages."""
    few_words, few_letters, letter = r"[,:]? (?:[^ ]+ ){0,4}?", r"[^.!?]{0,24}?", "[^ .,!?;:]"
    told = []
    for pattern in _FOREIGN:
        spelt = pattern.replace("~", few_words).replace(r"\w", letter).replace(r"\pL", letter)
        # Where a hyphen stands between two groups, it is for letters; inside of words it is itself.
        told.append(rf"(?:^|[^a-z])(?:{shaped(spelt.replace(')-(', f'){few_letters}('))})")
    return told
