"""The `merpati` command: finds the subcommand, runs it, turns errors into one clear line.

Exit codes: 0 done; 1 it could not be done, stderr says why; 2 the command line is wrong.
Subcommands are imported when they are called, so that help stays fast.
"""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from collections.abc import Sequence
from typing import NamedTuple, NoReturn

import click

from merpati import __version__
from merpati.cli.output import Group, printable, style

INTERRUPTED = 130  # 128 + SIGINT, as shells count


class Entry(NamedTuple):
    """Where a subcommand lives, and its line in `merpati --help`."""

    module: str
    attribute: str
    summary: str


COMMANDS = {
    "run": Entry("run", "run", "Start all processes and watch over them."),
    "account": Entry(
        "account", "account", "Create, list, change, suspend and close customer accounts."
    ),
    "user": Entry("user", "user", "Invite people to the console, and say what they may do."),
    "privacy": Entry("privacy", "privacy", "Publish the privacy notice; show who agreed."),
    "key": Entry("key", "key", "Create, list and revoke API keys."),
    "ip": Entry("ip", "ip", "Add, list, move and remove dedicated sending IPs."),
    "warmup": Entry(
        "warmup",
        "warmup",
        "Warm sending IPs up by mailbox provider: start, watch, decide by hand, stop.",
    ),
    "engagement": Entry(
        "engagement",
        "engagement",
        "Import when recipients last opened or clicked; a warm-up mails those first.",
    ),
    "domain": Entry(
        "domain", "domain", "Add, verify, list and remove sending domains; rotate their DKIM keys."
    ),
    "route": Entry("route", "route", "Send a recipient domain's mail through a smart host."),
    "egress": Entry(
        "egress", "egress", "Name an account's old provider, for mail that has not moved here yet."
    ),
    "migration": Entry(
        "migration", "migration", "Move an account's mail from its old provider, day by day."
    ),
    "hours": Entry("hours", "hours", "Business hours: what is open, what falls due, and why."),
    "person": Entry("person", "person", "Add and list the desk's people, and when they are away."),
    "contact": Entry(
        "contact", "contact", "Add and list the people at customers who may write to the desk."
    ),
    "tam": Entry(
        "tam", "tam", "Assign accounts their Technical Account Manager (TAM), and show who it is."
    ),
    "onboarding": Entry("tam", "onboarding", "Record that an account's onboarding is complete."),
    "case": Entry("case", "case", "Answer support cases until both sides agree."),
    "call-back": Entry("call_back", "call_back", "Book, list, move and cancel calls to customers."),
    "queue": Entry("queue", "queue", "Show what waits, and why; pause, retry, drain."),
    "events": Entry("events", "events", "Show what happened to messages, the newest first."),
    "inbound": Entry("inbound", "inbound", "Show bounce reports that came in."),
    "accounts": Entry("accounts_balance", "accounts", "Check that accepted mail is accounted for."),
    "backup": Entry("backup", "backup", "Copy everything, while Merpati runs, and verify it."),
    "restore": Entry(
        "backup", "restore", "Make a new data folder from a backup; it sends nothing."
    ),
    "migrate-db": Entry(
        "migrate_db", "migrate_db", "Move the control data to another database, and check it."
    ),
    "hold": Entry("hold", "hold", "Keep all delivery still; mail is still accepted."),
    "resume": Entry("hold", "resume", "Let delivery go on after a hold or a restore."),
    "doctor": Entry("doctor", "doctor", "Find what keeps mail from flowing, and the remedy."),
    "sandbox": Entry("sandbox", "sandbox", "Play mailbox providers here, to rehearse against."),
    "rehearse": Entry(
        "rehearse",
        "rehearse",
        "Play a migration in minutes, against mailbox providers that you describe.",
    ),
    "probe": Entry("probe", "probe", "Walk the way that mail to a domain takes, and send nothing."),
    "config": Entry(
        "config", "config", "Show the settings and where each comes from, and check them."
    ),
}

EXAMPLES = (
    "merpati run --data ./data --http 127.0.0.1:8080",
    "merpati account create 'Toko Kirim' --plan premium --service-time-zone us-eastern",
    "merpati ip add 192.0.2.10 --account 1 --hostname mta1.kirim.example",
    "merpati domain add kirim.example --account 1",
    "merpati queue",
    "merpati events --follow",
    "merpati accounts balance --json",
    "",
    "Each command but sandbox and migration plan takes --data DIR (or MERPATI_DATA).",
)


class LazyGroup(Group):
    """The top group: knows its commands by name, imports the one that is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order in which a new user needs them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one command; None for an unknown name."""
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        module = importlib.import_module(f"merpati.cli.{entry.module}")
        command = getattr(module, entry.attribute)
        assert isinstance(command, click.Command)  # noqa: S101 - a slip in COMMANDS
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.summary) for name, entry in COMMANDS.items()])


@click.group(
    name="merpati",
    cls=LazyGroup,
    examples=EXAMPLES,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="merpati", message="%(prog)s %(version)s")
@click.pass_context
def merpati(ctx: click.Context) -> None:
    """Merpati: a managed email service of your own."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command line and exit."""
    sys.exit(run_command_line(arguments))


def run_command_line(arguments: Sequence[str] | None = None) -> int:
    """Run one command line; return its exit code. Nothing but BaseException leaves here."""
    try:
        answer = merpati.main(
            args=None if arguments is None else list(arguments), standalone_mode=False
        )
    except click.exceptions.NoArgsIsHelpError as error:  # a group without a command: its help
        click.echo(error.ctx.get_help())
        return 0
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except BrokenPipeError:  # `merpati events --follow | head`: the reader has what it wanted
        sys.stderr.close()
        return 0
    except Exception as error:  # the top of the program: a person gets one line
        return _report(error)
    return answer if isinstance(answer, int) else 0


def _report(error: Exception) -> int:
    """Say what went wrong in one line; the errors of our rooms are written for people."""
    if os.environ.get("MERPATI_DEBUG"):
        traceback.print_exception(error)
    if type(error).__module__.startswith("merpati."):
        _complain(getattr(error, "message", None) or str(error))
    elif isinstance(error, OSError) and error.strerror:
        _complain(f"{error.strerror}: {error.filename}" if error.filename else error.strerror)
    else:
        _complain(
            f"unexpected {type(error).__name__}: {error} (MERPATI_DEBUG=1 shows where it arose)"
        )
    return 1


def _complain(message: str) -> None:
    click.echo(f"{style('Error:', fg='red', bold=True)} {printable(message)}", err=True)


if __name__ == "__main__":
    main()
