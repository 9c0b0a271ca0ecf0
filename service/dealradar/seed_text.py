"""The words that seeded deals, reviews and comments are put together from.

Some are not ASCII and some look like markup, so that a page or an API that mangles or fails to escape them is seen.
"""

CATEGORIES = (
    "Audio", "Books", "Cameras", "Cycling", "Computers", "Fashion", "Fitness", "Furniture", "Games", "Garden",
    "Groceries",
    "Hardware", "Household", "Kitchen", "Lighting", "Music", "Office", "Phones", "Toys", "Travel",
)  # fmt: skip
MERCHANT_FIRST = ("Nord", "Café", "Blue", "Müller", "Quick", "Señor", "Prime", "Łódź", "Alpine", "Corner", "東京")
MERCHANT_LAST = ("Market", "Depot", "Outlet", "Store", "& Sons")
ADJECTIVES = (
    "Compact", "Wireless", "Foldable", "Classic", "Très chic", "Rugged", "Silent", "Ultra-light", "Vintage", "Smart",
    "Weatherproof", "Ergonomic",
)  # fmt: skip
NOUNS = (
    "headphones", "desk lamp", "backpack", "espresso machine", "keyboard", "tent", "bike light", "crème brûlée set",
    "monitor 27\"", "running shoes", "board game", "drill <18 V>", "notebook", "phone case", "garden hose", "radio 📻",
)  # fmt: skip
DESCRIPTIONS = (
    "Last year's model, boxed and unopened. Ships within two days.",
    "Price includes delivery; pick-up in store is also possible.",
    "Seen at <b>half</b> the usual price & still in stock.",
    "Prix imbattable jusqu'à dimanche, 2 ans de garantie.",
    'Limited to one per customer. Coupon "SAVE" is applied at checkout.',
    "Größe und Farbe frei wählbar, solange der Vorrat reicht.",
)
REVIEW_TITLES = (
    "Worth every cent", "Does what it says", "Not for me", "Great value 🎉", "Arrived late", "Better than expected",
    "Solide, aber laut", "Très satisfait", "5 > 4, easily", "Would buy again",
)  # fmt: skip
SENTENCES = (
    "I have used it daily for a month and it still looks new.",
    "The manual is thin, yet everything is where you expect it.",
    "Delivery took three days; the box was dented but the content was fine.",
    "For this price I did not expect much, and I was wrong.",
    "The battery lasts about half as long as promised.",
    "Mon fils l'adore, et moi aussi 😀.",
    "Beware: the size runs small, order one size up.",
    "Compared with the previous model it is lighter & quieter.",
    "<script>alert('no')</script> is what the label says, oddly enough.",
    "Support answered within an hour and sent a replacement.",
    "Die Verarbeitung ist für den Preis überraschend gut.",
    "I returned it, the refund was on my account two days later.",
)
COMMENTS = (
    "Is this still available?", "Price went up again this morning.", "Thanks, ordered two!", "Expired in my region 😞",
    "Cheaper at the outlet, with a coupon.", "Does it work with 110 V?", "Works with 110 V <and> 230 V.",
    "Merci pour le partage !", "Hat jemand Erfahrung mit dem Händler?", "Voted hot & bookmarked.",
    "The warranty is only one year, mind.", "Same here, arrived today.",
)  # fmt: skip
FIRST_NAMES = (
    "Ada", "Björn", "Chloé", "Dmitri", "Élodie", "Farah", "Grace", "Hiro", "Inês", "Jürgen", "Kofi", "Léa", "Mateo",
    "Noor",
    "Olu", "Pía", "Quinn", "Rosa", "Søren", "Tomáš",
)  # fmt: skip
