"""The console: lines that change while work goes on, and Ctrl-C."""
