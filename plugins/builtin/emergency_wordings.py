"""The wordings that ``emergency`` knows: how people tell of a danger, and of what is none although it sounds so.

RE2's patterns, for texts that ``folding.plain`` made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

# Up to four words between two that belong together, in one sentence; and up to two.
_NEAR = r"(?:[^\w.!?]+\w+){0,4}?[^\w.!?]+"
_BY = r"(?:[^\w.!?]+\w+){0,2}?[^\w.!?]+"
_CHEST = r"(?:chest|chst|cheast|breastbone|sternum)"
_PAIN = r"(?:pain\w*|hurt\w*|ach(?:es|ing|e)|tight\w*|pressure|crush\w*|squeez\w*|burning|heav(?:y|iness)|weight|stabb\w*|elephant)"
_BREATHE = r"(?:breath(?:e|es|ing|in)?|breeth\w*|breth(?:e|es|ing|in)?)"
_HARD = r"(?:troubles?|difficult\w*|hard|hardly|barely|struggl\w*|problems?|unable|stopped|gasping|fighting)"
_CANNOT = r"(?:can'?t|can ?not|couldn'?t|could not|not able to|unable to|not|isn'?t)"
_LIMB = r"(?:arm|leg|face|side|hand|mouth|body)s?"
_NUMB = r"(?:droop\w*|numb\w*|paraly[sz]ed|weak(?:ness)?|hangs?|hanging|crooked|lopsided|dead)"
_ONESELF = r"(?:my ?self|himself|herself|themsel\w+|him ?self|her ?self|yourself)"
_ME = r"(?:me|us|him|her|them|my \w+)"
_PILLS = r"(?:pills?|tablets?|tabs?|capsules?|meds|medications?|medicines?|paracetamol|tylenol|ibuprofen|insulin|antidepressants|painkillers|packs? of)"
_TOXIC = r"(?:bleach|poison\w*|antifreeze|detergent|batter(?:y|ies)|pesticide|rat bait|drain cleaner|cleaner|dishwasher tabs?|white spirit|petrol|lamp oil|weed killer|acid|methanol|mushrooms?|berries)"
_STRONGLY = r"(?:heav\w*|sever\w*|bad\w*|profuse\w*|uncontroll\w*|lots? of|a lot|keeps?|everywhere|non-?stop|pouring|gushing|spurting|soak\w*)"
_NO_STOP = r"(?:won'?t|will not|can'?t|cannot|doesn'?t|does not|not) stop\w*"
_ATE = r"(?:drank|drunk|drinks?|drinking|swallow\w*|ate|eaten|eats|ingest\w*|got into)"
_WEAPON = r"(?:knife|knives|gun|pistol|rifle|axe|machete|weapon|baseball bat|hammer)"
_SOON = r"(?:right now|tonight|just now|at the moment|again|every night|every day|in front of)"
_WHO = r"(?:he|she|they|husband|wife|ex|boyfriend|girlfriend|partner|father|mother|dad|mum|mom|stepfather|son|man|guy|brother|neighbou?r|someone|somebody|stalker|uncle)"

WORDINGS: Mapping[str, Sequence[str]] = {
    "chest pain": (
        rf"{_CHEST}{_NEAR}{_PAIN}", rf"{_PAIN}{_NEAR}{_CHEST}", rf"{_CHEST}pains?", r"(?:heart|hart) ?att?acks?", r"angina",
        r"cardiac arrest", rf"(?:clutch\w*|grab\w*|holding) (?:his|her|my|the) {_CHEST}", r"pain\w*(?: \w+){0,4} down (?:my|his|her|the) (?:left )?arm",
        r"pain\w*(?: \w+){0,5} (?:into|in|to|up to) (?:my|his|her|the) (?:left arm|jaw|shoulder blade)(?: and (?:the |my )?(?:jaw|arm|back))?",
        r"heart (?:is |has been )?(?:racing|pounding|stopp\w+|skipping)[^.!?]{0,40}? (?:faint\w*|pass out|dizzy|collapse\w*|black)",
    ),
    "breathing": (
        rf"{_HARD}{_BY}{_BREATHE}", rf"{_CANNOT} (?:\w+ )?{_BREATHE}", r"(?:short\w*|out) of breath",
        rf"{_BREATHE}{_BY}(?:difficult\w*|trouble|hard|stopped|shallow|fast and)", r"catch (?:my|his|her|their) breath",
        r"breathless\w*", rf"{_CANNOT} get (?:any |enough )?air", r"no air\b", r"gasp\w* for (?:air|breath)", r"chok(?:ing|ed|es) on", r"(?:is|are|he's|she's|i'm|am) choking\b", r"suffocat\w+",
        rf"(?:lips?|face|skin|fingers|turn\w*|gone|going|baby|newborn|he is|she is|he'?s|she'?s){_BY}blue", r"(?:baby|newborn|child|infant|he|she)(?: \w+){0,3} (?:limp|floppy)\b",
        r"wheez\w+(?: \w+){0,6} (?:inhaler|bad\w*|sever\w*|worse|hard|can'?t|blue)", r"inhaler(?: \w+){0,4} (?:nothing|not help\w*|no help|doesn'?t|isn'?t|empty|stopped)",
        r"asthma attack", r"drown(?:ed|ing)(?: \w+){0,3} (?:pool|lake|sea|river|bath|tub|pond)|(?:pool|lake|sea|river|bath|tub|pond)(?: \w+){0,3} drown(?:ed|ing)",
    ),
    "stroke": (
        r"(?:having|has|had|have|think|like|signs?|symptoms?) (?:\w+ ){0,2}?(?:mini[ -]?)?stroke",
        rf"{_LIMB}{_NEAR}{_NUMB}", rf"{_NUMB}{_NEAR}{_LIMB}", rf"{_CANNOT} (?:move|feel|lift|raise){_BY}{_LIMB}",
        rf"slurr\w+{_BY}(?:speech|words?)", rf"(?:speech|words){_BY}(?:slurr\w+|jumbled|garbled|gone|mush)", r"slurring",
        rf"(?:sudden\w*|worst){_NEAR}(?:headache|head ache|vision|blind\w*)", r"(?:can'?t|cannot|not) (?:speak|talk|find words|smile|see)(?: \w+){0,4} (?:sudden\w*|all of a sudden|one eye|on one side)",
        r"sudden\w* (?:i |he |she )?(?:can'?t|cannot|lost)(?: \w+){0,2} (?:see|speak|talk|sight|vision|walk)", r"talk(?:s|ing)? (?:funny|nonsense|gibberish)",
        r"(?:thunderclap|exploding) headache", r"mouth (?:\w+ ){0,2}(?:one side|droops|crooked)",
    ),
    "suicidal thoughts": (
        r"sui?ci?[ds]\w*", rf"(?:kill\w*|hang\w*|shoot\w*|harm\w*|drown|poison|stab) {_ONESELF}", r"self[ -]?harm\w*",
        rf"(?:want\w*|going|urge|think\w*|thoughts?|plan\w*|feel\w*|like|need|keeps?|started|threatens?){_NEAR}(?:hurt\w*|cut\w*|burn\w*) {_ONESELF}", rf"(?:cuts?|cutting|burns|burning) {_ONESELF}(?: \w+){{0,2}} (?:on purpose|again|every|tonight|night|nights|deep|daily|arms?|wrists?)", r"end(?:ing)? it all", r"(?:tonight|today|now|then|i'?ll|i will|going to|gonna|want to|just|ready to) (?:i'?ll |i will )?end it(?: tonight| today| now| all)?$",
        r"(?:end|ending|take|taking) (?:my|his|her|their) (?:own )?life", r"take (?:myself|himself|herself) out",
        r"(?:want|wants|wanna|wish\w*)(?: \w+){0,3}? (?:die|dead|be dead|was dead|were dead|not wake up|disappear for good|never wake up)",
        r"(?:don'?t|do not|doesn'?t|no longer|not) (?:want|wish|wanna)(?: to)? (?:live|be alive|go on living|exist|be here|wake up)(?: \w+){0,1}(?: any ?more)?(?:$|[,.!;])",
        r"(?:can'?t|cannot|can not|couldn'?t) (?:go on|live)(?: like this| with it| with this| living| with myself)*(?: any ?more| any longer)?(?:$|[,.!;]| and| with (?:the|this) (?:shame|guilt|pain))", r"(?:can'?t|cannot|can not) (?:take it|take this|do this|cope|bear it|stand it) any(?: ?more| longer)", r"(?:don'?t|do not) see (?:a|any) (?:way out|point|reason|future)",
        r"no (?:reason|point)(?: \w+){0,2}? (?:live|living|go on|being here)", r"better off (?:dead|without me)", r"rather be dead", r"life (?:isn'?t|is not|has no|is) (?:\w+ )?(?:worth|meaning|pointless|over)\w*",
        r"(?:nobody|no one|no-one)(?: \w+){0,2} miss me", r"(?:written|wrote|writing|left) (?:my |a |his |her |the )?(?:goodbye|farewell|suicide) (?:letter|note)", r"said (?:her|his|my) (?:last )?goodbyes?", r"goodbye(?: \w+){0,3} (?:won'?t|doesn'?t|isn'?t|not) (?:pick|answer|respond|reply)\w*",
        r"(?:jump\w*|throw\w* (?:my|him|her)self)(?: \w+)? (?:off|from|out of|in front of|under|onto|down)(?: \w+){0,3} (?:bridge|roof|window|train|balcony|building|tracks|cliff)", r"(?:i|he|she|they) (?:will|'?ll|would|'?d|wants to|is going to|threatens to) jump\b", r"(?:rope|noose|razor|blade|gun|pills)(?: \w+){0,2} (?:ready|in front of me|in my hand|next to me|beside me|on the table)",
        r"(?:scared|afraid)(?: \w+){0,4} (?:do something to myself|hurt myself)", r"do something (?:stupid|bad)? ?to (?:myself|himself|herself)", r"(?:once|when|after|if) (?:i'?m|i am|he'?s|she'?s) (?:dead|gone|no longer here)\b", r"no (?:way out|other way)(?: \w+){0,4}?(?: but| than| except)? (?:to )?(?:die|end|death|kill)", r"(?:only|last) way out(?: \w+){0,2} (?:death|die|end)",
        r"set (?:him|her|my|them)sel\w+ on fire", r"(?:not|n'?t) (?:be )?(?:around|here) (?:any ?more|tomorrow|much longer)", r"tired of (?:living|being alive|life)", r"(?:hope|hoping|pray\w*)(?: \w+){0,3} (?:don'?t|never|not) wake up",
    ),
    "bleeding": (
        rf"{_STRONGLY}{_BY}ble(?:e|a)d\w*", rf"ble(?:e|a)d\w*{_NEAR}{_STRONGLY}", rf"{_NO_STOP}{_BY}ble(?:e|a)d\w*",
        rf"ble(?:e|a)d\w*{_NEAR}{_NO_STOP}", r"h[ae]+mm?or+h?ag\w+", r"ble(?:e|a)d\w* (?:out|to death)",
        r"blood(?: \w+){0,3}? (?:everywhere|gush\w*|spurt\w*|pour\w*|pool)", r"(?:cut|slashed|slit|gash\w*)(?: \w+){0,6} (?:won'?t stop|deep|to the bone|bleeding)",
        r"(?:cough\w*|vomit\w*|throw\w*|spit\w*|puk\w*|losing|lost|lots?)(?: \w+){0,2}? blood", r"coffee[ -]?grounds?", r"black (?:stools?|tar\w*|poo\w*)(?: \w+){0,4}(?: faint\w*| dizzy| weak| pain)", r"(?:soak\w*|fill\w*)(?: \w+){0,2} (?:pads?|towels?)",
        r"(?:finger|hand|toe|foot|arm|leg)(?: \w+){0,2} (?:cut off|severed|chopped off|torn off)|(?:cut off|severed|chopped off|sawed off)(?: \w+){0,2} (?:finger|hand|toe|foot|arm|leg)",
    ),
    "anaphylaxis": (
        r"anaph[iy]l\w*", r"(?:severe|bad|serious)(?: \w+){0,2}? allergic", r"used (?:my |the |an |his |her )?epi ?-?pen",
        rf"(?:throat|tongue|face|lips?|eyes){_NEAR}(?:clos\w*|swell\w*|swollen|swole\w*|thick\w*|tight\w*|swelled)",
        rf"(?:swell\w*|swollen|closing|swelled){_BY}(?:throat|tongue|face|lips?)", r"hives? (?:\w+ ){0,4}(?:breath\w*|throat|tongue|face|lips|all over)",
        r"(?:stung|sting|bee|wasp|nuts?|peanuts?|shellfish)(?: \w+){0,6} (?:throat|tongue|swell\w*|swollen|breath\w*|faint\w*|dizzy)",
    ),
    "overdose": (
        r"over ?-?dos(?:e|ed|es|ing)", r"o\.?d'?(?:e?d|ing) on", rf"too many(?: \w+){{0,2}}? {_PILLS}",
        rf"(?:whole|entire|full|bottle|handful|box|packet|pack|strip)(?: \w+){{0,4}}? {_PILLS}", r"(?:been|got) poisoned",
        rf"{_ATE}(?: \w+){{0,4}}? {_TOXIC}", rf"(?:took|taken|takes|swallowed) (?:\d\d+|twenty|thirty|forty|fifty|sixty|dozens of|loads of)(?: \w+){{0,4}} {_PILLS}",
        rf"(?:took|taken|swallowed) (?:all|half)(?: of)?(?: \w+){{0,3}} {_PILLS} (?:at once|together|in one go|to die|and)", r"alcohol poisoning", r"(?:mixed|took)(?: \w+){0,4} (?:heroin|fentanyl|opioids|morphine)",
    ),
    "unconscious": (
        r"un ?con[sc]+i?o?us\w*", r"unresponsive", r"(?:not|isn'?t|won'?t|doesn'?t|can'?t|hard to|impossible to|barely) (?:\w+ )?(?:respond\w*|wak\w+|react\w*|rous\w+)", r"(?:fell|fallen|fall|found|lies|lying|floor|stairs)(?: \w+){0,8} (?:doesn'?t|does not|isn'?t|not|won'?t) (?:answer\w*|mov\w*|respond\w*|speak\w*|talk\w*)",
        r"passed out", r"collapsed", r"s(?:ei|ie|e)z[eu]r\w*", r"convuls\w+", r"no pulse", r"out cold", r"foam\w* at the mouth", r"lifeless", r"(?:shaking|jerking|twitching)(?: \w+){0,3} (?:floor|all over|uncontroll\w*)", r"fainted (?:again|and|just|twice)",
    ),
    "violence": (
        rf"(?:{_WEAPON})(?: \w+){{0,5}} (?:threat\w*|outside|door|throat|house|at me|branch|waving|holding|standing|attack\w*|me|us|head)", rf"(?:with|has|had|holding|pulled|waving|carr\w+|got) (?:a |the |an |his |her )?(?:\w+ )?{_WEAPON}(?: \w+){{0,4}}(?: outside| at my| at the door| here| in the| on me| to my|$)",
        rf"(?:going to|gonna|will|'?ll|would|'?d|wants? to|tr(?:y|ies|ied|ying) to|threat\w* to|about to) (?:kill|murder|shoot|stab|strangle|beat|rape|hurt|burn|hang) {_ME}", rf"threat\w*(?: \w+){{0,4}} (?:kill|shoot|stab|hurt|murder|beat|burn)\w*", rf"{_WHO}(?:'s| is| was| has)? (?:just )?(?:beats?|beating|beaten|hits?|hitting|punch\w*|kick\w*|strangl\w*|chok(?:es|ed|ing)|attack\w*|abus\w*|rap(?:es|ed|ing)|molest\w*|assault\w*) (?:me|us|him|the (?:kids?|child\w*|baby)|(?:my|her|his) (?:mother|mum|mom|sister|brother|child\w*|kids?|son|daughter|wife|baby)|her(?: again| every| right| now| so| with| and|$))",
        r"(?:was|being|been|got) shot|(?:is|was|am|are|being|been|got|getting|just) (?:being )?(?:raped|stabbed|strangled|beaten|kidnapped|abducted|held hostage|molested|sexually abused|assaulted)\b", r"(?:i'?ve been|i got|i was just|he'?s been|she'?s been) (?:stabbed|shot|beaten|raped|attacked)", r"locked (?:me|us|her|him|myself)(?: \w+){0,3} (?:in|up|room|bathroom|cellar|basement)", rf"{_WHO}(?: \w+)? (?:won'?t|doesn'?t|not) let (?:me|us|her) (?:out|leave|go)\b",
        r"(?:hiding|hide|hid|locked)(?: \w+){0,4} (?:bathroom|closet|cellar|bedroom|wardrobe|toilet|from (?:him|her|them|my))", r"held (?:\w+ )?(?:against (?:my|her|his) will|hostage|captive)|against my will", r"(?:someone|somebody|burglar|intruder|man|men|people|he|they)(?:'s| is| are)? (?:\w+ )?(?:breaking|break|trying to get|trying to break|climbing) in(?:to)?\b(?:(?: \w+){0,3} (?:house|flat|home|window|apartment|here|now)|$)", r"(?:intruder|burglar|stalker|ex)(?: \w+){0,3} (?:in (?:my|the|our) (?:house|flat|home)|at (?:my|the) (?:window|door)|outside (?:my|the) (?:door|house|window))",
        r"(?:forc\w+|mak\w+) (?:me|us|her|him) (?:to )?(?:transfer|send|pay|withdraw|marry|have sex|sign)[^.!?]{0,50}? (?:next to|standing|behind|now|gun|knife|threat\w*|or (?:he|they))", r"(?:armed )?robbery (?:in progress|right now|going on)|(?:being|getting) robbed\b(?: right| now)?|(?:hold|holding)[ -]?up (?:in|at) the (?:bank|branch|shop)", rf"(?:afraid|scared|fear\w*|terrified)(?: \w+){{0,3}} (?:kill|hurt|beat|murder|shoot)s? {_ME}", r"(?:afraid|fear|scared) (?:for|of) my life", r"(?:human )?trafficked|took my passport", r"bomb (?:in|under|threat)", r"help me(?: please)?(?: \w+){0,3} (?:kill|hurt|coming|he'?s|beat)",
    ),
    "accident or fire": (
        r"(?:house|flat|kitchen|building|room|car|office|shop|home|stove|bed|hallway|stairwell|apartment|curtains?|bin|oven|store|sofa|roof|it)(?: is| are|'s)(?: \w+)? (?:on fire|burning|in flames|ablaze)", r"(?:there is|there'?s|there are|we have|having) (?:a |an )?(?:\w+ )?(?:fire|flames) (?:in|at|on|under|here)", r"(?:full|lots|fills?|filling|clouds) (?:of |with )?(?:\w+ )?smoke\b|smoke (?:is )?(?:coming|pouring|fill\w*)", r"(?:trapped|stuck) (?:\w+ ){0,4}(?:fire|smoke|rubble|wreck|car|flood|lift)(?: \w+){0,3}(?: fire| smoke| water| burning)?|wife is trapped|(?:is|are|am|i'm) trapped (?:under|inside|beneath)",
        r"smell\w*(?: of)?(?: \w+){0,2} gas\b|gas (?:leak|smell)|smell (?:the )?gas", r"carbon monoxide|\bco alarm", r"(?:car|bike|bus|motorbike|motorway|truck|train) (?:crash|accident)(?: \w+){0,6} (?:trapped|hurt|injur\w*|bleed\w*|unconscious|moving|die\w*|help)", r"(?:hit|run over|struck|knocked down) by (?:a|the) (?:\w+ )?(?:car|bus|train|lorry|truck|tram)(?:(?: \w+){0,5} (?:now|just|lying|bleed\w*|move|leg|head|unconscious|hurts?)|$)",
        r"(?:can'?t|cannot|not) feel (?:my|his|her) (?:legs?|feet|arms)", r"(?:fell|fallen|jumped) (?:from|off|out of|down)(?: \w+){0,4} (?:ladder|roof|balcony|window|stairs|scaffold\w*|tree|horse)(?: \w+){0,6} (?:can'?t|not|doesn'?t|bleed\w*|unconscious|back|neck|head|move)", r"electrocuted|electric shock from|(?:touched|touching) the (?:live |power )?(?:cable|wire|line)", r"snake ?-?bit\w*|bitten by a (?:snake|spider|scorpion)|(?:snake|adder|viper) bit", r"(?:burn(?:ed|t|s)?|scald\w*)(?: \w+){0,6} (?:boiling|oil|whole|face|acid|fire|blister\w*|steam|large|bad\w*)", r"(?:lies|lying|lay)(?: \w+){0,5} (?:and |but )?(?:doesn'?t|does not|isn'?t|not|won'?t) (?:mov\w*|respond\w*|answer\w*|get up)", r"hit (?:my|his|her|the) head(?: \w+){0,5} (?:vomit\w*|throw\w*|dizzy|confus\w*|sleepy|sick|blood|memory|see)", r"hypothermi\w+|frostbite",
    ),
    "acute illness": (
        r"(?:stiff neck|neck (?:is )?stiff)(?:[^.!?]{0,60})(?:fever|rash|light|headache)|(?:fever|rash|headache)(?:[^.!?]{0,60})stiff neck", r"rash(?: \w+){0,3} (?:doesn'?t|does not|won'?t|not) (?:fade|disappear|go)", r"mening\w+|sepsis|septic", r"fever (?:of |is |at )?(?:4[0-3]|10[4-9])", r"(?:4[0-2](?:[.,]\d)?|10[4-9]) (?:degrees|fever|c\b|f\b)|fever(?:[^.!?]{0,40})(?:hard to wake|confus\w*|limp|floppy|seiz\w*|fits?\b)",
        r"(?:sugar|glucose)(?: \w+){0,4} (?:confus\w*|shak\w*|sleepy|faint\w*|passing|unconscious|vomit\w*|hi\b|too high|very low|[12]\.\d|2[5-9]|[3-9]\d\d)", r"hypo\b(?: \w+){0,4} (?:confus\w*|won'?t|can'?t)", r"(?:baby|fetus|he|she|it) (?:has ?n'?t|hasn'?t|has not|not|stopped|isn'?t|is not|no longer) (?:\w+ )?(?:moved?|moving|kick\w*)(?:[^.!?]{0,40})(?:week|womb|pregnan\w*|yesterday|today|wks|hours)", r"(?:weeks?|wks|pregnan\w*)(?: \w+){0,4} (?:bleed\w*|blood|gush\w*|contractions)", r"(?:bleed\w*|blood)(?: \w+){0,5} (?:weeks? pregnant|pregnan\w*|wks)", r"waters? (?:has |have |just )?br(?:oke|eak\w*|oken)|cord (?:is )?(?:out|hanging|prolaps\w*|coming)|see the (?:cord|head|baby)", r"(?:in labou?r|giving birth|baby is coming)(?: \w+){0,4}(?: now| at home| car| alone|$)", r"(?:newborn|baby)(?: \w+){0,5} (?:won'?t feed|doesn'?t drink|not feeding|no wet|blue|grey|limp)", r"(?:sudden|severe|terrible|unbearable|worst|excruciating)(?: \w+){0,2} (?:belly|abdominal|stomach|tummy|testic\w*|back) pain", r"testic\w*(?: \w+){0,4} (?:sudden|twisted|severe)", r"heat ?stroke",
    ),
    "call for help": (
        r"(?:call|send|need|get|want) (?:me |us |for )?(?:an |the )?(?:ambulance|paramedics|fire brigade|fire department|police) (?:please|now|quick\w*|here|to|immediately|at once|asap|fast)|(?:call|send|need) (?:an |the )?ambulance(?: please)?$|(?:send|need|call) (?:help|the police)(?: \w+){0,2}(?: now| please| quick\w*|$)", r"(?:i'?m|i am|we'?re|we are|he'?s|he is|she'?s|she is|think i'?m|may be|might be) (?:\w+ )?(?:dying|about to die)\b", r"(?:please )?help (?:me|us|him|her)(?: \w+){0,2} (?:dying|hurt|bleeding|trapped|attacked|drowning)", r"life[ -]threatening",
    ),
}  # fmt: skip

# What is said of a time long past, of others' money, of a contract or as a joke is no danger, near the wording.
CALM = (
    r"\b(?:19|20)\d\d\b|\b(?:years?|months?|decades?) ago\b|\blast (?:year|month|summer|winter|spring|autumn|week)\b|\bin (?:january|february|march|april|may|june|july|august|september|october|november|december)\b"
    r"|\b(?:as a child|back then|history of|used to have|long ago|years back|in the past|previous\w*|recover\w*|rehab\w*|follow[ -]?up|check[ -]?up|after (?:his|her|my|a|the) (?:stroke|heart attack|seizure|overdose)|since (?:his|her|my|the) (?:stroke|heart attack|stent|seizure)|no more|all fine|fine now|over now|gone now)\b"
    r"|\b(?:late (?:husband|wife|father|mother|brother|sister|son|uncle|aunt)|passed away|died|deceased|widow\w*|funeral|estate of|inherit\w*|executor)\b"
    r"|\b(?:policy|policies|cover(?:ed|age|s)?|insur\w+|premium|exclu\w+|liab\w+|agreement|clause|contract|part(?:y|ies)|shall|tenant|landlord|licens\w+|indemn\w+|warrant\w+|terminat\w+|negligen\w+|hereby|section|damages|compensation|lawsuit|su(?:e|ed|ing)|court|customs|testif\w+|statute)\b"
    r"|\b(?:what are (?:the )?(?:signs|symptoms)|training|course|certificate|first aid|volunteer\w*|prevention|hotline|helpline|brochure|leaflet|seminar|charity|donat\w+|research|awareness|webinar|museum|film|movie|novel|book|game|song|tv|podcast|theatre|festival|concert|news|documentary)\b"
    r"|\b(?:haha\w*|lol|joking|kidding|just a joke|figure of speech|so to speak|metaphor\w*|breathe a word|(?:gave|give|giving|nearly had|almost had|nearly got) (?:me |you |us |him |her )?an? (?:\w+ )?(?:heart attack|stroke))\b"
    r"|\b(?:price|bill|bills|fees?|charges?|interest|rates?|costs?|invoice|rent|app|web ?site|site|hotline|portal|system|phone|battery|laptop|computer|printer|server|screen|machine|terminal|atm|link|page|login|router|update|support|agent|bot|e-?mail|password|queue|tax|deadline|market|shares?|stocks?|portfolio|business|company|startup|shop|deal|fertili[sz]er|lawn|plants?|chocolate|sweets|dogs?|cats?|puppy|pet|vet|hamster|horse)\b"
)
# Kinds of which even a word about money or a contract is no reason for calm, and what calms them alone.
STRICT: Mapping[str, str] = {
    "suicidal thoughts": (
        r"\b(?:polic(?:y|ies)|exclu\w+|insurer|insured|liab\w+|clause|shall|prevention|hotline|helpline|volunteer\w*|training|course|charity|donat\w+|research|awareness|book|film|movie|novel|song|game|play|theatre|haha\w*|lol|joking|kidding|lease|flat|apartment|subscription|customer of|member|newsletter|squad|(?:19|20)\d\d|years? ago|last year|died|passed away|widow\w*|late (?:husband|wife|father|mother|brother|sister|son)|cookies?|chocolate|mortified|boredom|bored|embarrass\w*|curios\w*|laughing)\b"
    ),
    "violence": (
        r"\b(?:(?:19|20)\d\d|years? ago|last (?:year|month|summer|winter|week)|in (?:january|february|march|april|may|june|july|august|september|october|november|december)|shall|clause|terminat\w+|liab\w+|exclu\w+|film|movie|novel|book|game|video game|song|museum|haha\w*|lol|joking|deadline|damages|compensation|dog|cat|premises|staff shall|employees?|kitchen|hunting|club|shop charged|fee|fees|price|deal|advert\w*|football|match|team|boss says|convicted|prison)\b"
    ),
    "call for help": r"\b(?:invoice|bill|cost\w*|cover\w*|paid|(?:19|20)\d\d|last \w+|years? ago|dying to|contact|refund|charge\w*|laughing|boredom|curios\w*|to know|to see|of thirst|phone|battery|car|plant|drill|exercise)\b",
    "overdose": r"\b(?:fertili[sz]er|lawn|plants?|training|certificate|course|chocolate|sugar|coffee|vitamin c|haha\w*|lol|(?:19|20)\d\d|years? ago|last (?:year|month)|as prescribed|exclu\w+|shall|liab\w+|clause|prevention|refill|renew|repeat|order(?:ed)?|deliver\w*|refund|price|cost\w*|paid|screen|series|work|news|tv|films?)\b",
    "accident or fire": r"\b(?:(?:19|20)\d\d|years? ago|last (?:year|month|week|summer|winter)|shall|insur\w+|cover\w*|clause|damages|claim|claims|polic(?:y|ies)|detector in|drill|exercise|haha\w*|lol|deal|meme|film|movie|price|bill|premium|rate|rates|market|streets?|in (?:january|february|march|april|june|july|august|september|october|november|december)|yesterday\'s news|sunburn\w*|slightly|a little|lightly|exchange|app|deal(?:ing)?)\b",
}  # fmt: skip
