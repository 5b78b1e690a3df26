"""The shell: the application, navigation, home, help, settings, errors."""
