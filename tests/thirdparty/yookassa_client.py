"""Drives the simulated YooKassa with the provider's own library for Python.

Our own client and our own simulator could agree on the same mistake; this library cannot. Start the sandbox with payouts and
refunds that wait for a hand, then:

    python yookassa_client.py API_URL SANDBOX_URL SHOP_ID SHOP_SECRET GATEWAY_ID GATEWAY_SECRET

Exit status 0 only if every check passes.
"""

import argparse
import http.server
import json
import sys
import threading
import time
import urllib.request
from decimal import Decimal

from yookassa import Configuration, Payment, Payout, Refund, SbpBanks, Settings, Webhook
from yookassa.client import ApiClient
from yookassa.domain import exceptions
from yookassa.domain.notification import WebhookNotificationFactory

DEADLINE = 15.0
RETURN_URL = "https://shop.example/return"


class Checks:
    """Collects what held and what did not."""

    def __init__(self):
        self.failed = 0
        self.passed = 0

    def that(self, what, holds, seen=""):
        if holds:
            self.passed += 1
        else:
            self.failed += 1
        print(f"ok   {what}" if holds else f"FAIL {what}: {seen!r}")

    def same(self, what, seen, wanted):
        self.that(what, seen == wanted, seen)

    def raises(self, what, kind, call):
        """Checks that a call ends in this exception, and returns the provider's error object."""
        try:
            result = call()
        except kind as error:
            self.that(what, True)
            return error.content
        except Exception as error:  # any other exception is the finding
            self.that(what, False, error)
            return {}
        self.that(what, False, result)
        return {}


class Control:
    """The sandbox's control side."""

    def __init__(self, base):
        self.base = base.rstrip("/") + "/_sandbox/yookassa/"

    def post(self, path, body):
        request = urllib.request.Request(self.base + path, data=json.dumps(body).encode(), method="POST")
        request.add_header("content-type", "application/json")
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read())

    def fault(self, method, action):
        self.post("faults", {"rules": [{"method": method, "action": action}]})


class Inbox:
    """Takes notifications and answers 200."""

    def __init__(self):
        inbox = self
        self.bodies = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):  # the name is the standard library's
                inbox.bodies.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def wait_for(self, count):
        end = time.monotonic() + DEADLINE
        while len(self.bodies) < count and time.monotonic() < end:
            time.sleep(0.02)
        return list(self.bodies)


def rub(value):
    return {"value": value, "currency": "RUB"}


def payment(value, capture, operation):
    return {
        "amount": rub(value),
        "capture": capture,
        "confirmation": {"type": "redirect", "return_url": RETURN_URL},
        "description": "Balance top-up",
        "metadata": {"operation_id": operation},
    }


def drive_payments(checks, control):
    body = payment("100.00", True, "py-1")
    made = Payment.create(dict(body), "py-key-1")
    checks.same("a payment is pending", made.status, "pending")
    checks.same("its amount is read", made.amount.value, Decimal("100.00"))
    checks.that("it leads to a page", made.confirmation.confirmation_url.endswith(made.id), made.confirmation.confirmation_url)
    checks.same("a replay is the same payment", Payment.create(dict(body), "py-key-1").id, made.id)
    checks.that("another key is another payment", Payment.create(dict(body), "py-key-2").id != made.id)
    control.post(f"payments/{made.id}/pay", {"method": "bank_card"})
    paid = Payment.find_one(made.id)
    checks.same("it is paid", (paid.status, paid.paid), ("succeeded", True))
    checks.same("income is the amount less the fee", paid.income_amount.value, Decimal("96.50"))
    checks.same("the card is read", paid.payment_method.card.last4, "4444")
    checks.same("a replay shows the present", Payment.create(dict(body), "py-key-1").status, "succeeded")

    held = Payment.create(payment("60.00", False, "py-2"), "py-key-3")
    control.post(f"payments/{held.id}/pay", {"method": "bank_card"})
    waiting = Payment.find_one(held.id)
    checks.same("money is on hold", waiting.status, "waiting_for_capture")
    checks.that("until a moment", waiting.expires_at is not None)
    part = Payment.capture(held.id, {"amount": rub("25.50")}, "py-key-4")
    checks.same("a part is captured", (part.status, part.amount.value), ("succeeded", Decimal("25.50")))
    other = Payment.create(payment("60.00", False, "py-3"), "py-key-5")
    control.post(f"payments/{other.id}/pay", {"method": "bank_card"})
    ended = Payment.cancel(other.id, "py-key-6")
    checks.same("a hold is canceled", ended.status, "canceled")
    why = (ended.cancellation_details.party, ended.cancellation_details.reason)
    checks.same("by the merchant", why, ("merchant", "canceled_by_merchant"))
    whole = Payment.create(payment("7.00", False, "py-4"), "py-key-7")
    control.post(f"payments/{whole.id}/pay", {"method": "sbp"})
    checks.same("a capture without a body takes all", Payment.capture(whole.id, None, "py-key-8").status, "succeeded")
    return made.id


def drive_lists(checks):
    seen, params = [], {"limit": 2}
    while True:
        page = Payment.list(params)
        seen += [one.id for one in page.items]
        if not page.next_cursor:
            break
        params = {"limit": 2, "cursor": page.next_cursor}
    checks.same("pages give every payment once", (len(seen), len(set(seen))), (5, 5))
    listed = Payment.list({"status": "canceled", "created_at.gte": "2000-01-01T00:00:00.000Z"})
    checks.same("a list is filtered", [one.status for one in listed.items], ["canceled"])


def drive_refunds(checks, control, payment_id):
    body = {"payment_id": payment_id, "amount": rub("40.00"), "description": "A part back"}
    refund = Refund.create(body, "py-key-20")
    checks.same("a refund is pending", (refund.status, refund.payment_id), ("pending", payment_id))
    control.post(f"refunds/{refund.id}/settle", {"end": "succeeded"})
    checks.same("it succeeds", Refund.find_one(refund.id).status, "succeeded")
    lost = Refund.create({"payment_id": payment_id, "amount": rub("10.00")}, "py-key-21")
    control.post(f"refunds/{lost.id}/settle", {"end": "canceled", "reason": "insufficient_funds"})
    checks.same("another fails", Refund.find_one(lost.id).cancellation_details.reason, "insufficient_funds")
    checks.same("both are listed", len(Refund.list({"payment_id": payment_id}).items), 2)
    too_much = {"payment_id": payment_id, "amount": rub("60.01")}
    error = checks.raises("no more than is left", exceptions.BadRequestError, lambda: Refund.create(too_much, "py-key-22"))
    checks.same("the parameter is named", error.get("parameter"), "amount.value")


def drive_payouts(checks, control):
    def body(operation, destination):
        return {
            "amount": rub("320.00"),
            "payout_destination_data": destination,
            "description": "Payout",
            "metadata": {"operation_id": operation},
        }

    sbp = {"type": "sbp", "phone": "79000000000", "bank_id": "100000000111"}
    payout = Payout.create(body("py-out-1", sbp), "py-key-30")
    checks.same("a payout is pending", payout.status, "pending")
    checks.same("its destination is read", payout.payout_destination.bank_id, "100000000111")
    checks.same("a replay is the same payout", Payout.create(body("py-out-1", sbp), "py-key-30").id, payout.id)
    control.post(f"payouts/{payout.id}/settle", {"end": "succeeded"})
    done = Payout.find_one(payout.id)
    checks.same("it succeeds", done.status, "succeeded")
    checks.that("at a moment", done.succeeded_at is not None)
    wallet = {"type": "yoo_money", "account_number": "41001175883113"}
    lost = Payout.create(body("py-out-2", wallet), "py-key-31")
    control.post(f"payouts/{lost.id}/settle", {"end": "canceled", "reason": "rejected_by_payee"})
    why = Payout.find_one(lost.id).cancellation_details
    checks.same("another fails", (why.party, why.reason), ("payout_network", "rejected_by_payee"))
    token = Payout.create({"amount": rub("5.00"), "payout_token": "token-1"}, "py-key-32")
    checks.same("a token stands for a card", token.payout_destination.card.last4, "4477")
    found = ApiClient().request("GET", "/payouts/search", {"metadata[operation_id]": "py-out-1"})
    checks.same("a payout is found by its metadata", [one["id"] for one in found["items"]], [payout.id])
    checks.same("payouts are listed", len(Payout.list({"limit": 10}).items), 3)
    me = Settings.get_account_settings()
    checks.same("the balance is read", str(me.payout_balance.value), "999675.00")
    checks.that("banks are listed", "100000000111" in [bank.bank_id for bank in SbpBanks.list().items])


def drive_errors(checks, control, arguments):
    def create(key="py-key-40", value="5.00"):
        return Payment.create(payment(value, True, "py-errors"), key)

    create()
    error = checks.raises("same key, other body: 400", exceptions.BadRequestError, lambda: create(value="6.00"))
    wanted = ("invalid_request", "Idempotence-Key", "Idempotence key duplicated")
    checks.same("in the provider's words", (error.get("code"), error.get("parameter"), error.get("description")), wanted)
    error = checks.raises("unknown id: 404", exceptions.NotFoundError, lambda: Payment.find_one("0" * 36))
    checks.same("its code", error.get("code"), "not_found")
    checks.raises("the shop's key does not open payouts: 403", exceptions.ForbiddenError, lambda: Payout.list())
    checks.raises("notifications are set elsewhere: 403", exceptions.ForbiddenError, lambda: Webhook.list())
    faults = [
        ({"do": "too_many_requests", "retry_after": 1800}, exceptions.TooManyRequestsError, "too_many_requests"),
        ({"do": "http_before", "status": 500}, exceptions.InternalServerError, "internal_server_error"),
        ({"do": "accepted", "processed": True}, exceptions.ResponseProcessingError, None),
    ]
    for action, kind, code in faults:
        control.fault("payments.create", action)
        error = checks.raises(f"{action['do']} is told", kind, lambda: create("py-key-41"))
        checks.same("its code", error.get("code"), code)
        checks.that("with its wait", action["do"] == "http_before" or error.get("retry_after") == 1800, error)
    checks.same("the same key goes through afterwards", create("py-key-41").status, "pending")
    Configuration.configure(arguments.shop_id, "wrong", api_url=arguments.api_url)
    error = checks.raises("a wrong key: 401", exceptions.UnauthorizedError, create)
    checks.same("its code", error.get("code"), "invalid_credentials")


def check_notices(checks, control, inbox):
    control.post("clock", {"advance_seconds": 10})
    bodies = inbox.wait_for(10)
    parsed = [(body["event"], WebhookNotificationFactory().create(body)) for body in bodies]
    wanted = {
        "payment.waiting_for_capture": ("WebhookNotification", "waiting_for_capture"),
        "payment.succeeded": ("WebhookNotification", "succeeded"),
        "payment.canceled": ("WebhookNotification", "canceled"),
        "refund.succeeded": ("RefundWebhookNotification", "succeeded"),
        "payout.succeeded": ("PayoutWebhookNotification", "succeeded"),
        "payout.canceled": ("PayoutWebhookNotification", "canceled"),
    }
    checks.same("every kind of event came", {event for event, _ in parsed}, set(wanted))
    for event, notice in parsed:
        seen = (type(notice).__name__, notice.object.status)
        checks.same(f"{event} is parsed", seen, wanted.get(event))


def drive(arguments):
    checks, control, inbox = Checks(), Control(arguments.sandbox_url), Inbox()
    control.post("clock", {"stopped": True})
    for side in ("shop", "gateway"):
        control.post("webhook", {"side": side, "url": inbox.url})
    Configuration.configure(arguments.shop_id, arguments.shop_secret, api_url=arguments.api_url)
    payment_id = drive_payments(checks, control)
    drive_lists(checks)
    drive_refunds(checks, control, payment_id)
    checks.same("the shop knows itself", Settings.get_account_settings().account_id, arguments.shop_id)
    Configuration.configure(arguments.gateway_id, arguments.gateway_secret, api_url=arguments.api_url)
    drive_payouts(checks, control)
    check_notices(checks, control, inbox)
    Configuration.configure(arguments.shop_id, arguments.shop_secret, api_url=arguments.api_url)
    drive_errors(checks, control, arguments)
    print(f"{checks.passed} passed, {checks.failed} failed")
    return 1 if checks.failed else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("api_url", "sandbox_url", "shop_id", "shop_secret", "gateway_id", "gateway_secret"):
        parser.add_argument(name)
    sys.exit(drive(parser.parse_args()))


if __name__ == "__main__":
    main()
