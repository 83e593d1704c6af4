"""The screen of ``postil serve``: finished steps, the current step, then how to use the gateway."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from postil.gateway.settings import Settings
from postil.gateway.tenancy.directory import DEMO_DESK, DEMO_TENANTS

_STEPS = {
    "base": "preparing the base model",
    "registry": "opening the registry",
    "starting": "starting vLLM",
    "warming": "loading adapters",
}
_QUESTIONS = {
    "demo-clinic": "I have chest pain and nausea",
    "demo-lawfirm": "Either party may end this agreement with 30 days notice",
    "demo-bank": "There is a payment on my statement that I never made",
}


class ServeProgress:
    """Receives the gateway's progress and shows it on ``console``."""

    def __init__(self, console: Console, settings: Settings, *, port: int) -> None:
        self._console = console
        self._settings = settings
        scheme = "http" if settings.tls_certificate is None else "https"
        self._url = f"{scheme}://{'localhost' if settings.on_loopback else settings.host}:{port}"
        # Nobody else vouches for the demo's certificate.
        self._trust = "" if settings.tls_certificate is None else f"--cacert {settings.tls_certificate} "
        self._progress = Progress(
            SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn(), console=console, transient=True
        )
        self._task: TaskID | None = None
        self._step = ""
        self._began = 0.0
        self._introduced = False
        # The secret of a link to the console that signs in once.
        self._once = ""
        self.failed = False
        self.on_failure: Callable[[], None] = lambda: None

    def __enter__(self) -> ServeProgress:
        self._began = time.monotonic()
        self._progress.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._progress.stop()

    def tell(self, step: str, text: str) -> None:
        """Show one message of the gateway: a step by its name, or an event of the engine."""
        if step in _STEPS:
            self._begin(_STEPS[step])
        elif step == "adapter":
            self._console.print(f"  loaded {text}")
        elif step == "ready":
            self._finish()
            self._introduce()
        elif step == "console":
            self._once = text
        elif step == "down":
            self._console.print(Text("vLLM is down:", style="yellow"), text)
        elif step == "failed":
            self._fail(text)

    def _begin(self, description: str) -> None:
        self._finish()
        self._step, self._began = description, time.monotonic()
        self._task = self._progress.add_task(description + " ...", total=None)
        if not self._console.is_terminal:
            self._console.print(description + " ...")

    def _finish(self) -> None:
        if self._task is not None:
            self._progress.remove_task(self._task)
            self._task = None
            self._console.print(Text("done", style="green"), f"{self._step} ({time.monotonic() - self._began:.1f} s)")

    def _fail(self, text: str) -> None:
        self.failed = True
        if self._task is not None:
            self._progress.remove_task(self._task)
            self._task = None
        log = self._settings.home / "logs" / "engine.log"
        self._console.print(Text("error:", style="bold red"), text)
        if log.exists():
            self._console.print(f"vLLM's own log is {log}")
        self.on_failure()

    def _introduce(self) -> None:
        if self._introduced:
            self._console.print("vLLM is ready again")
            return
        self._introduced = True
        print_line = self._console.print
        print_line(Text(f"\npostil is ready at {self._url}", style="bold"), "  (Ctrl-C ends it)")
        if self._settings.console:
            self._introduce_console()
        print_line(f"admin key: {self._settings.admin_key_file}")
        if self._settings.demo and self._settings.on_loopback:
            self._introduce_demo()
        elif self._settings.demo:
            print_line(
                f"the demo keys are off, because {self._settings.host} can be reached from other machines;"
                " add tenants with `postil tenants add NAME --domain healthcare`"
            )

    def _introduce_console(self) -> None:
        if self._once:
            link = f"{self._console_url()}/login?once={self._once}"
            self._console.print(f"console: {link}  (signs in once, within 15 minutes)", soft_wrap=True)
        else:
            self._console.print(f"console: {self._console_url()}  (sign in with a key, such as the admin key)")

    def _console_url(self) -> str:
        """The console's address: it is where the admin API is."""
        scheme, _, rest = self._url.partition("://")
        host, port = rest.rpartition(":")[::2]
        if (apart := self._settings.admin_port) is not None:
            own = self._settings.admin_host
            host, port = host if own is None else own, str(apart)
        return f"{scheme}://{host}:{port}/console"

    def _introduce_demo(self) -> None:
        keys = ", ".join(f"{name} ({domain})" for name, domain in DEMO_TENANTS.items())
        keys += f", {DEMO_DESK} (all of them: `model: auto` chooses)"
        self._console.print(f"demo keys: {keys}\n")
        for key, question in _QUESTIONS.items():
            self._console.print(
                f"curl {self._trust}{self._url}/v1/chat/completions -H 'Authorization: Bearer {key}' "
                "-H 'Content-Type: application/json' \\\n"
                f'  -d \'{{"messages":[{{"role":"user","content":"{question}"}}]}}\'',
                soft_wrap=True,
            )
        self._console.print("\n`postil demo traffic` sends made-up requests for a minute: watch the console meanwhile")
