"""``python -m imagist``: the command line."""

from imagist.cli.main import main

raise SystemExit(main())
