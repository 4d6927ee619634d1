"""Invented people: every first name with every last name, as a CSV field and as an e-mail's local part."""

from __future__ import annotations

from unicodedata import normalize

_FIRST = """
Ada Agnès Aisha Alice Amara Ana André Anika Ben Björn Camille Carlos Chen Chloé Clara Dana Daniel Dara
Diego Elif Elena Emma Eszter Fatima Felix Finn Françoise Gita Grace Hana Hugo Ingrid Ivan Jack Jana Jin
José Julia Kai Karim Kofi Lars Leila Liam Lucía Maja Marek María Mei Milan Mina Nadia Nils Noah Nora Olga
Omar Paula Priya Quinn Rafael Renée Rosa Sami Sara Søren Tariq Theo Tomás Uma Vera Viktor Wei Yara Yusuf
Zoë
"""

_LAST = """
Abara Adler Almeida Andersson Baker Banerjee Baptiste Becker Bianchi Brandt Brennan Castillo Chowdhury
Clarke Costa D'Angelo D'Souza Dąbrowski De_Vries Diallo Dubois Eriksen Farouk Fernández Fischer Fontaine
Fujita García Garner Gómez Grant Haddad Hansen Harper Hassan Herrera Holm Horváth Hughes Ibrahim Ito
Jansen Jensen Kaya Keller Khan Kim Kovács Kowalski Kumar Larsen Laurent Lee Lindqvist Lopez MacLeod Marín
Mbeki Mendoza Meyer Mori Müller Mwangi Nakamura Ngata Nguyen Novák O'Brien O'Connor O'Neill Okafor
Ólafsson Ortiz Osei Park Patel Petrov Popescu Quist Ramírez Reyes Rossi Saito Santos Schmidt Sharma Silva
Singh Smith Söderberg Stone Suzuki Tanaka Thorne Tremblay Ueda Van_Dijk Vargas Vasquez Weber Wójcik
Yılmaz Zhang
"""

FIRST = _FIRST.split()
LAST = [name.replace("_", " ") for name in _LAST.split()]
LAST += ["Carter, III", "Harris, Jr.", "Nguyen, Jr.", "Okoye, PhD"]

HOSTS = ("example.com", "example.org", "example.net")


def _ascii(name: str) -> str:
    apart = normalize("NFKD", name.translate(str.maketrans("øı", "oi")))
    plain = apart.encode("ascii", "ignore").decode()
    return "".join(letter for letter in plain.lower() if letter.isalnum())


def _field(first: str, last: str) -> str:
    return f'"{first} {last}"' if "," in last else f"{first} {last}"


FIELDS = [_field(first, last) for first in FIRST for last in LAST]
MAILS = [f"{_ascii(first)}.{_ascii(last)}" for first in FIRST for last in LAST]
