"""What all HTML pages share: their colours and theme, arrays as text, and scripts put together."""
