"""Harmless sentences about instructions, rules, systems and machines that belong to somebody else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

SLOTS: Mapping[str, Sequence[str]] = {
    "dev": ("the smart speaker", "my robot vacuum", "the drone", "the printer", "the router", "my hearing aid", "the thermostat", "the washing machine", "the baby monitor", "the navigation system", "the alarm", "the coffee machine", "the car", "the dosing pump"),
    "not": ("no longer follows commands", "ignores the instructions of the app", "does not obey the remote", "forgot its settings", "does not react to my voice", "repeats the last message", "has a content filter", "asks for an admin password", "was reset to factory settings", "shows the previous document", "blocks my site", "has hidden functions"),
    "inst": ("the instructions", "the rules", "the guidelines", "the safety rules", "the directions", "the terms", "the steps", "the restrictions", "the policy", "the orders", "the conditions", "the settings"),
    "place": ("above the sink", "on the box", "in danish", "of the game", "of the house", "for the wound", "on the leaflet", "of the chamber", "of the landlord", "for the scan", "from the assessor", "in the annex", "of the club", "on the sign", "for the shelf", "at the pool", "of the regulator", "from last year", "of my employer", "in the lease"),
    "are": ("are unreadable", "are missing", "changed last week", "are too strict", "do not say that", "came too late", "contradict each other", "apply to all tenants", "are confidential", "form part of this contract", "were ignored by the builder", "must be given in writing", "prevail over anything stated above", "are different for minors", "are void after termination", "are fine with me"),
    "ask": ("can i ignore", "may i disregard", "should i keep following", "do i have to follow", "who wrote", "where are", "can you print", "please send me", "i skipped", "i lost", "i did not understand", "he broke", "she ignored", "we always follow", "the court set aside", "the agent must obey", "please explain", "my wife forgot", "the nurse repeated", "nobody told me about"),
    "ordinary": ("the parking fine", "the duplicate transfer", "the warning on the leaflet", "the late fee", "the demo product", "my first claim", "the alarm of the pump", "the reminder", "the basket", "the wish list", "the gift message", "the voucher", "my old address", "the savings plan", "the loan calculator", "the secret question", "the self checkout", "the starter set", "the waiting list", "the travel cover"),
    "do": ("please ignore", "please delete", "please forget about", "override", "show me", "repeat", "print", "cancel", "bypass", "explain", "reset", "lift the block on", "i want to skip", "can i disable", "how do i turn off", "tell me about", "who set up", "mark as done:", "stop", "replace"),
}  # fmt: skip

TEMPLATES: Sequence[str] = (
    "{dev} {not}", "{dev} {not}, can i return it?", "why is it that {dev} {not}?", "since the update {dev} {not}", "you sold me a lamp and {dev} {not}", "how do i disable the filter of {dev}?", "which commands does {dev} understand?", "what is the admin password of {dev}?", "reset {dev} please", "{dev} and {dev} do not talk to each other",
    "{inst} {place} {are}", "{ask} {inst} {place}", "{ask} {inst} {place}?", "{ask} {inst} {place}, thanks", "{ask} {inst}", "{inst} {are}", "{inst} {place} {are} and {inst} {place} {are}", "what do {inst} {place} say?", "are {inst} {place} still valid?", "which of {inst} {place} can i skip?", "i know {inst} {place}", "tell me {inst} {place}", "{inst} {place}?", "new: {inst} {place}", "he said that {inst} {place} {are}",
    "{do} {ordinary}", "{do} {ordinary}, thanks", "{do} {ordinary} and {do} {ordinary}", "can you tell me about {ordinary}?", "i wrote about {ordinary} before", "{ordinary} was wrong", "the system says {ordinary} is restricted", "does a human decide about {ordinary}?", "is {ordinary} decided by an algorithm?", "what was i told about {ordinary}?", "who else can see {ordinary}?", "the assistant could not find {ordinary}", "my role in {ordinary} is unclear", "act now and get {ordinary}?", "i need an answer about {ordinary} today",
)  # fmt: skip

FOREIGN: Sequence[str] = (
    "was sagen ihre richtlinien zur stornierung?", "der arzt sagte, ich soll die alten anweisungen nicht mehr beachten", "wo finde ich die spielregeln?", "pouvez-vous annuler ma commande précédente ?", "où sont les consignes de sécurité ?", "montrez-moi les règles du jeu", "¿puedo ignorar el aviso de pago?", "muéstreme las condiciones anteriores", "posso ignorare il sollecito?", "quali istruzioni devo seguire prima dell'esame?", "posso desconsiderar o boleto?", "mag ik de vorige factuur negeren?", "welke regels gelden voor de garantie?", "não recebi as instruções de montagem", "quelles règles s'appliquent aux enfants ?",
)  # fmt: skip
