"""The endpoint backend, against a real server on this machine that speaks the protocol."""

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from groundtune.config import ModelTable
from groundtune.errors import UserError, WorkFailed
from groundtune.models import load_backend
from groundtune.models.openai import AT_ONCE
from groundtune.types import Generator, Limits, Message, Prompt

KEY = "sk-very-secret-0123456789"
Reply = Callable[["Handler", dict[str, Any]], None]


class Handler(BaseHTTPRequestHandler):
    """Answers as the test's `reply` says, after noting what was asked."""

    def do_POST(self) -> None:
        endpoint = self.server
        assert isinstance(endpoint, Endpoint)
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        endpoint.asked.append(body)
        if self.headers["Authorization"] != f"Bearer {KEY}":
            self.send(401, {"error": {"message": f"Incorrect API key provided: {self.headers['Authorization']}"}})
            return
        with endpoint.counting:
            endpoint.under_way += 1
            endpoint.most_at_once = max(endpoint.most_at_once, endpoint.under_way)
        endpoint.reply(self, body)
        with endpoint.counting:
            endpoint.under_way -= 1

    def send(self, status: int, value: Any, kind: str = "application/json") -> None:
        data = value.encode() if isinstance(value, str) else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        pass


class Endpoint(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[dict[str, Any]] = []
        self.reply: Reply = echo
        self.counting = threading.Lock()
        self.under_way = self.most_at_once = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


def echo(handler: Handler, body: dict[str, Any]) -> None:
    """The last message back, in upper case; word by word where a stream was asked for."""
    text = body["messages"][-1]["content"].upper()
    if not body.get("stream"):
        message = {"role": "assistant", "content": text}
        usage = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        handler.send(
            200,
            {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage},
        )
        return
    handler.send(200, "".join(map(event, text.split(" "))) + "data: [DONE]\n\n", "text/event-stream")


def event(word: str) -> str:
    choice = {"index": 0, "delta": {"content": f"{word} "}}
    chunk = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
    return f"data: {json.dumps(chunk)}\n\n"


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    monkeypatch.setenv("TEST_KEY", KEY)
    with Endpoint() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def generator(url: str) -> Generator:
    return load_backend(ModelTable(name="openai:m", base_url=url, key_env="TEST_KEY")).generator()


def ask(text: str, choices: tuple[str, ...] = ()) -> Prompt:
    return Prompt((Message("system", "be brief"), Message("user", text)), choices)


def test_answers_come_in_the_order_of_the_questions_with_their_tokens(endpoint: Endpoint) -> None:
    def slow_first(handler: Handler, body: dict[str, Any]) -> None:
        time.sleep(0.1 if body["messages"][-1]["content"] == "question 0" else 0)
        echo(handler, body)

    endpoint.reply = slow_first
    said = generator(endpoint.url).generate([ask(f"question {n}") for n in range(9)], Limits(5, ("\n",)))

    assert [one.text for one in said] == [f"QUESTION {n}" for n in range(9)]
    assert all((one.prompt_tokens, one.completion_tokens) == (7, 3) and one.seconds > 0 for one in said)
    assert said[0].seconds >= 0.1
    assert 1 < endpoint.most_at_once <= AT_ONCE
    first = next(body for body in endpoint.asked if body["messages"][-1]["content"] == "question 0")
    assert first["messages"][0] == {"role": "system", "content": "be brief"}
    assert (first["model"], first["max_tokens"], first["stop"], first["temperature"]) == ("m", 5, ["\n"], 0)


def test_no_question_asks_nothing(endpoint: Endpoint) -> None:
    assert generator(endpoint.url).generate([], Limits()) == []
    assert endpoint.asked == []


def test_a_stream_is_the_same_answer_in_pieces(endpoint: Endpoint) -> None:
    pieces = list(generator(endpoint.url).stream(ask("what is red"), Limits()))

    assert pieces == ["WHAT ", "IS ", "RED "]


def test_choices_are_told_to_the_endpoint(endpoint: Endpoint) -> None:
    generator(endpoint.url).generate([ask("which?", ("north", " south"))], Limits())

    assert endpoint.asked[0]["messages"][-1]["content"] == "which?\n\nAnswer with one of: north, south"


def test_a_key_that_is_not_set_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TEST_KEY", raising=False)

    with pytest.raises(UserError, match="TEST_KEY is not set"):
        generator("http://127.0.0.1:9/v1")


def test_an_address_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_KEY", KEY)

    with pytest.raises(UserError, match="http:// or https://"):
        generator("localhost:8000")


def test_an_endpoint_cannot_be_tuned(endpoint: Endpoint, tmp_path: Any) -> None:
    with pytest.raises(UserError, match="cannot be tuned"):
        load_backend(ModelTable(name="openai:m", base_url=endpoint.url, key_env="TEST_KEY")).generator(tmp_path)


def test_a_key_that_is_refused_is_the_users_to_mend_and_is_not_said(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_KEY", "sk-wrong-and-secret")

    for use in (lambda g: g.generate([ask("x")], Limits()), lambda g: list(g.stream(ask("x"), Limits()))):
        with pytest.raises(UserError, match="the key was refused") as caught:
            use(generator(endpoint.url))
        assert caught.value.exit_code == 2
        assert "sk-wrong" not in caught.value.message + caught.value.hint


@pytest.mark.slow
def test_a_server_that_is_down_is_named_and_the_work_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_KEY", KEY)
    began = time.perf_counter()

    with pytest.raises(WorkFailed, match=r"127\.0\.0\.1:9/v1") as caught:
        generator("http://127.0.0.1:9/v1").generate([ask(str(n)) for n in range(40)], Limits())

    assert caught.value.exit_code == 1
    assert time.perf_counter() - began < 20  # the questions after the first failing ones are not tried


@pytest.mark.slow
def test_an_error_in_the_server_is_passed_on_without_the_key(
    endpoint: Endpoint, caplog: pytest.LogCaptureFixture
) -> None:
    endpoint.reply = lambda handler, body: handler.send(
        500, {"error": {"message": f"out of memory; you sent {handler.headers['Authorization']}"}}
    )

    with caplog.at_level(logging.DEBUG), pytest.raises(WorkFailed, match="out of memory") as caught:
        generator(endpoint.url).generate([ask("x")], Limits())

    assert len(endpoint.asked) == 4  # it was tried again three times
    assert KEY not in caught.value.message + caught.value.hint + repr(caught.value)
    assert caught.value.__suppress_context__
    assert KEY not in caplog.text


def test_an_answer_in_another_protocol_is_named(endpoint: Endpoint) -> None:
    for value, kind in (
        ("<html>hello</html>", "text/html"),
        ({"hello": 1}, "application/json"),
        ("{", "application/json"),
    ):
        endpoint.reply = lambda handler, body, value=value, kind=kind: handler.send(200, value, kind)  # type: ignore[misc]

        with pytest.raises(WorkFailed, match="no answer of an OpenAI-compatible endpoint") as caught:
            generator(endpoint.url).generate([ask("x")], Limits())

        assert "/v1" in caught.value.hint


def test_a_stream_that_breaks_off_is_an_error_and_no_short_answer(endpoint: Endpoint) -> None:
    def half(handler: Handler, body: dict[str, Any]) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream")
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        handler.wfile.write(event("RED").encode())
        handler.close_connection = True

    endpoint.reply = half

    with pytest.raises(WorkFailed, match=r"127\.0\.0\.1"):
        list(generator(endpoint.url).stream(ask("x"), Limits()))


def test_an_answer_without_text_or_usage_is_empty_and_costs_no_tokens(endpoint: Endpoint) -> None:
    message = {"role": "assistant", "content": None}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    endpoint.reply = lambda handler, body: handler.send(
        200, {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
    )

    [said] = generator(endpoint.url).generate([ask("x")], Limits())

    assert (said.text, said.prompt_tokens, said.completion_tokens) == ("", 0, 0)
