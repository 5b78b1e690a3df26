"""One cast of people in all tests."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Person:
    login: str
    name: str
    role: str
    password: str


AMY = Person("amy", "Amy 陈", "admin", "correct-horse-amy-1")
BO = Person("bo", "Bo 李", "staff", "correct-horse-bo-2")
CY = Person("cy", "Cy 王", "staff", "correct-horse-cy-3")
PEOPLE = (AMY, BO, CY)
