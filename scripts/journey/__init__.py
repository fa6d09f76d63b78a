"""The journey: one invoice from its file to the buyer's last payment, as its parties would go it.

    python -m scripts.journey API_URL PARTIES_FOLDER

Each party acts through the HTTP API under its own API key and signs with its own key in a process of its own
(`tallystick sign`). A step counts only when the chain itself shows it, read past the API. Every step first
looks at what is done already, so a journey that was cut off is gone on with, and each step happens once.
"""
