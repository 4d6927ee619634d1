"""What the pages share: reads, words, widgets and charts. No database driver, no rule of the engine."""
