"""What the desk's pages show: the queue, lists of cases, a case, accounts, people, calendars."""
