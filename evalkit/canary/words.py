"""The words of the drawn set: few, short and unlike each other."""

from __future__ import annotations

__all__ = [
    "CITIES",
    "COMPANIES",
    "GROUPS",
    "ITEMS",
    "MEASURES",
    "MONTHS",
    "NAMES",
    "PLACES",
    "SHOPS",
    "STREETS",
    "TOPICS",
    "WORDS",
]

NAMES = (
    "Anna Berg", "Omar Diaz", "Lucy Chen", "Paul Novak", "Nina Costa", "Ivan Petrov",
    "Sara Klein", "Tom Fisher", "Maya Singh", "Hugo Martin",
)  # fmt: skip
CITIES = ("Oslo", "Lima", "Rome", "Cairo", "Paris", "Delhi", "Tokyo", "Quito", "Berlin", "Madrid")
COMPANIES = (
    "North Mills",
    "Delta Foods",
    "Harbor Tools",
    "Summit Paper",
    "Lake Motors",
    "Velvet Farm",
)
ITEMS = ("Lamp", "Table", "Bicycle", "Camera", "Blanket", "Kettle", "Guitar", "Umbrella")
MONTHS = ("January", "March", "April", "May", "June", "August", "October", "November")
STREETS = ("Mill Road", "King Street", "Park Lane", "Hill Avenue", "River Walk", "Station Road")
SHOPS = ("Maple Cafe", "Blue Fox", "Sunny Books", "Grand Hotel", "Royal Bakery", "Green Market")
PLACES = ("kitchen", "garden", "station", "library", "harbor", "museum", "forest", "school")
WORDS = (
    "CENTER", "MARKET", "FLOWER", "GARDEN", "BRIDGE", "WINTER", "SUMMER", "ORANGE",
    "PLANET", "SILVER", "TICKET", "WINDOW", "CASTLE", "DINNER", "ISLAND", "ROCKET",
)  # fmt: skip
MEASURES = ("Sales", "Votes", "Orders", "Visits")
GROUPS = {
    "fruit": ("Apples", "Pears", "Plums", "Grapes", "Figs", "Limes"),
    "city": ("Oslo", "Lima", "Rome", "Cairo", "Paris", "Delhi"),
    "month": ("Jan", "Feb", "Mar", "Apr", "May", "Jun"),
    "day": ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat"),
}
"""What charts compare, by the word for one of them."""
TOPICS = {
    "How we travel": ("ride", ("Bus", "Train", "Car", "Bike", "Ferry", "Tram")),
    "What we drink": ("drink", ("Tea", "Coffee", "Water", "Juice", "Milk", "Cocoa")),
    "Pets at home": ("pet", ("Dog", "Cat", "Bird", "Fish", "Rabbit", "Turtle")),
    "What we play": ("game", ("Chess", "Tennis", "Soccer", "Golf", "Cards", "Hockey")),
}
"""What posters are about: the word for one entry, and the entries."""
