"""Drives the simulated Telegram Bot API with two client libraries that others wrote.

Our own client and our own simulator could agree on the same mistake; aiogram (strict models) and
python-telegram-bot cannot. Start the sandbox, then:

    python telegram_clients.py http://127.0.0.1:8089 4242424242:sandbox

Exit status 0 only if every check of both libraries passes.
"""

import argparse
import asyncio
import base64
import json
import sys
import urllib.request

import aiogram
import telegram
from aiogram import exceptions as aio_errors
from aiogram import types as aio
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.enums import ParseMode
from aiogram.filters import CommandObject, CommandStart
from telegram import error as ptb_errors
from telegram import ext

PHOTO = bytes(range(256)) * 40
DOCUMENT = "експорт;1,00 ₴\n".encode()
PHONE = "380671112233"
DEADLINE = 15.0


class Checks:
    """Collects what held and what did not."""

    def __init__(self, library):
        self.library = library
        self.failed = 0
        self.passed = 0

    def that(self, what, holds, seen=""):
        if holds:
            self.passed += 1
        else:
            self.failed += 1
        print(f"ok   {self.library}: {what}" if holds else f"FAIL {self.library}: {what}: {seen!r}")

    async def raises(self, what, kind, call):
        """Checks that a call ends in this exception, and returns it."""
        try:
            result = await call
        except kind as error:
            self.that(what, True)
            return error
        except Exception as error:  # any other exception is the finding
            self.that(what, False, error)
            return None
        self.that(what, False, result)
        return None


class Control:
    """The sandbox's control side: acting as people."""

    def __init__(self, base):
        self.base = base.rstrip("/") + "/_sandbox/"

    def _call(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data=data, method=method)
        request.add_header("content-type", "application/json")
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.read()

    async def get(self, path):
        return json.loads(await asyncio.to_thread(self._call, "GET", path))

    async def post(self, path, body):
        return json.loads(await asyncio.to_thread(self._call, "POST", path, body))

    async def act(self, person, what, **body):
        return await self.post(f"telegram/users/{person}/{what}", body)

    async def person(self, name):
        person = await self.post("telegram/users", {"first_name": name, "language_code": "uk"})
        return person["id"]

    async def last_from_bot(self, person):
        messages = await self.get(f"telegram/chats/{person}/messages")
        return [message for message in messages if message["from_bot"]][-1]

    async def file(self, file_id):
        return await asyncio.to_thread(self._call, "GET", f"telegram/files/{file_id}")

    async def too_many_requests(self, person):
        rule = {
            "method": "sendMessage",
            "subject": str(person),
            "action": {"do": "too_many_requests", "retry_after": 7},
        }
        await self.post("telegram/faults", {"rules": [rule]})


async def eventually(probe):
    """Waits until `probe` gives something true."""
    end = asyncio.get_running_loop().time() + DEADLINE
    while True:
        result = await probe()
        if result or asyncio.get_running_loop().time() > end:
            return result
        await asyncio.sleep(0.05)


async def scenario(checks, control, seen, send_rules):
    """What a person does; the library's bot must react through long polling.

    `seen` is a queue that the bot's handlers fill with (kind, value).
    """

    async def expect(kind, what):
        try:
            got_kind, value = await asyncio.wait_for(seen.get(), DEADLINE)
        except TimeoutError:
            checks.that(what, False, "nothing came")
            return None
        checks.that(what, got_kind == kind, got_kind)
        return value

    person = await control.person("Олена")
    other = await control.person("Іван")

    await control.act(person, "text", text="/start promo_7")
    payload = await expect("start", "a command comes by long polling")
    checks.that("its deep link payload is read", payload == "promo_7", payload)

    greeting = await eventually(lambda: button_message(control, person))
    checks.that("the HTML of the greeting is rendered", greeting["message"]["text"] == "Вітаємо & <раді>", greeting)
    checks.that("its bold part is an entity", greeting["message"]["entities"][0]["type"] == "bold", greeting)

    pressed = await control.act(person, "press", message_id=greeting["message_id"], data="terms:1")
    data = await expect("press", "a button press comes")
    checks.that("with its data", data == "terms:1", data)

    async def answered():
        callback = await control.get(f"telegram/callbacks/{pressed['callback_query_id']}")
        return callback if callback["answered"] else None

    callback = await eventually(answered)
    checks.that("the press is answered", bool(callback) and callback["text"] == "Дякуємо", callback)

    async def edited():
        message = await control.last_from_bot(person)
        return message if len(message["versions"]) > 1 else None

    message = await eventually(edited)
    texts = [version["text"] for version in message["versions"]] if message else None
    checks.that("the same message is edited", texts == ["Вітаємо & <раді>", "Прийнято"], texts)

    await control.act(person, "photo", base64=base64.b64encode(PHOTO).decode(), caption="чек")
    photo = await expect("photo", "a photo comes")
    checks.that("its largest size is downloaded byte by byte", photo == PHOTO)

    await control.act(person, "document", base64=base64.b64encode(DOCUMENT).decode(), file_name="чек.csv", mime_type="text/csv")
    document = await expect("document", "a document comes")
    checks.that("with name, type and bytes", document == ("чек.csv", "text/csv", DOCUMENT), document)

    await control.act(person, "contact", phone_number=PHONE)
    contact = await expect("contact", "a contact comes")
    checks.that("the sender's own contact carries the sender's id", contact == (PHONE, person), contact)
    await control.act(person, "contact", phone_number=PHONE, user_id=other)
    contact = await expect("contact", "another contact comes")
    checks.that("another person's contact carries the other id", contact == (PHONE, other), contact)

    await send_rules(person)


async def button_message(control, person):
    messages = await control.get(f"telegram/chats/{person}/messages")
    return next((message for message in messages if message["from_bot"]), None)


GREETING = "<b>Вітаємо</b> &amp; &lt;раді&gt;"
COMMANDS = [("help", "Довідка"), ("balance", "Баланс")]


async def drive_aiogram(base, token):
    checks = Checks(f"aiogram {aiogram.__version__}")
    control = Control(base)
    seen = asyncio.Queue()
    session = AiohttpSession(api=TelegramAPIServer.from_base(base.rstrip("/")))
    bot = aiogram.Bot(token, session=session)
    tree = aiogram.Dispatcher()

    @tree.message(CommandStart(deep_link=True))
    async def start(message: aio.Message, command: CommandObject):
        button = aio.InlineKeyboardButton(text="Приймаю", callback_data="terms:1")
        await message.answer(GREETING, parse_mode=ParseMode.HTML, reply_markup=aio.InlineKeyboardMarkup(inline_keyboard=[[button]]))
        await seen.put(("start", command.args))

    @tree.callback_query()
    async def press(query: aio.CallbackQuery):
        await query.answer("Дякуємо")
        result = await query.message.edit_text("Прийнято")
        checks.that("an edit returns the message", isinstance(result, aio.Message) and result.text == "Прийнято", result)
        await seen.put(("press", query.data))

    @tree.message(aiogram.F.photo)
    async def photo(message: aio.Message):
        sizes = [size.width for size in message.photo]
        checks.that("a photo has sizes in growing order", len(sizes) > 1 and sizes == sorted(sizes), sizes)
        content = await bot.download(message.photo[-1])
        await seen.put(("photo", content.read()))

    @tree.message(aiogram.F.document)
    async def document(message: aio.Message):
        content = await bot.download(message.document)
        await seen.put(("document", (message.document.file_name, message.document.mime_type, content.read())))

    @tree.message(aiogram.F.contact)
    async def contact(message: aio.Message):
        await seen.put(("contact", (message.contact.phone_number, message.contact.user_id)))

    async def send_rules(person):
        sent = await bot.send_document(person, aio.BufferedInputFile(DOCUMENT, "export.csv"), caption="ваші дані")
        checks.that("an uploaded document arrives whole", await control.file(sent.document.file_id) == DOCUMENT)
        text = await bot.send_message(person, "one")
        error = await checks.raises("an edit that changes nothing is a bad request", aio_errors.TelegramBadRequest, text.edit_text("one"))
        checks.that("and says so", error is not None and "message is not modified" in str(error), error)
        await bot.send_chat_action(person, "typing")
        checks.that("a message is deleted", await text.delete())
        await checks.raises("an unknown chat is a bad request", aio_errors.TelegramBadRequest, bot.send_message(1, "x"))
        await control.too_many_requests(person)
        error = await checks.raises("429 is understood", aio_errors.TelegramRetryAfter, bot.send_message(person, "x"))
        checks.that("with its waiting time", error is not None and error.retry_after == 7, error)
        await control.act(person, "block", blocked=True)
        await checks.raises("a blocked bot is forbidden", aio_errors.TelegramForbiddenError, bot.send_message(person, "x"))

    me = await bot.get_me()
    checks.that("getMe names the bot", me.is_bot and me.id == int(token.split(":")[0]), me)
    await bot.delete_webhook()
    info = await bot.get_webhook_info()
    checks.that("no webhook is set", info.url == "", info)
    commands = [aio.BotCommand(command=name, description=words) for name, words in COMMANDS]
    await bot.set_my_commands(commands, language_code="uk", scope=aio.BotCommandScopeAllPrivateChats())
    kept = await bot.get_my_commands(language_code="uk", scope=aio.BotCommandScopeAllPrivateChats())
    checks.that("commands are kept", [(c.command, c.description) for c in kept] == COMMANDS, kept)
    polling = asyncio.create_task(tree.start_polling(bot, polling_timeout=2, handle_signals=False))
    try:
        await scenario(checks, control, seen, send_rules)
    finally:
        await tree.stop_polling()
        await polling
        await session.close()
    stranger = aiogram.Bot("1:wrong", session=AiohttpSession(api=TelegramAPIServer.from_base(base.rstrip("/"))))
    await checks.raises("a wrong token is unauthorized", aio_errors.TelegramUnauthorizedError, stranger.get_me())
    await stranger.session.close()
    return checks


async def drive_ptb(base, token):
    checks = Checks(f"python-telegram-bot {telegram.__version__}")
    control = Control(base)
    seen = asyncio.Queue()
    root = base.rstrip("/")
    app = ext.ApplicationBuilder().token(token).base_url(root + "/bot").base_file_url(root + "/file/bot").build()
    bot = app.bot

    async def start(update, context):
        button = telegram.InlineKeyboardButton("Приймаю", callback_data="terms:1")
        await update.message.reply_html(GREETING, reply_markup=telegram.InlineKeyboardMarkup([[button]]))
        await seen.put(("start", " ".join(context.args)))

    async def press(update, _context):
        await update.callback_query.answer("Дякуємо")
        result = await update.callback_query.edit_message_text("Прийнято")
        checks.that("an edit returns the message", isinstance(result, telegram.Message) and result.text == "Прийнято", result)
        await seen.put(("press", update.callback_query.data))

    async def downloaded(media):
        return bytes(await (await media.get_file()).download_as_bytearray())

    async def photo(update, _context):
        sizes = [size.width for size in update.message.photo]
        checks.that("a photo has sizes in growing order", len(sizes) > 1 and sizes == sorted(sizes), sizes)
        await seen.put(("photo", await downloaded(update.message.photo[-1])))

    async def document(update, _context):
        media = update.message.document
        await seen.put(("document", (media.file_name, media.mime_type, await downloaded(media))))

    async def contact(update, _context):
        await seen.put(("contact", (update.message.contact.phone_number, update.message.contact.user_id)))

    app.add_handler(ext.CommandHandler("start", start))
    app.add_handler(ext.CallbackQueryHandler(press))
    app.add_handler(ext.MessageHandler(ext.filters.PHOTO, photo))
    app.add_handler(ext.MessageHandler(ext.filters.Document.ALL, document))
    app.add_handler(ext.MessageHandler(ext.filters.CONTACT, contact))

    async def send_rules(person):
        sent = await bot.send_document(person, DOCUMENT, filename="export.csv", caption="ваші дані")
        checks.that("an uploaded document arrives whole", await control.file(sent.document.file_id) == DOCUMENT)
        text = await bot.send_message(person, "one")
        error = await checks.raises("an edit that changes nothing is a bad request", ptb_errors.BadRequest, text.edit_text("one"))
        checks.that("and says so", error is not None and "Message is not modified" in str(error), error)
        await bot.send_chat_action(person, "typing")
        checks.that("a message is deleted", await text.delete())
        await checks.raises("an unknown chat is a bad request", ptb_errors.BadRequest, bot.send_message(1, "x"))
        await control.too_many_requests(person)
        error = await checks.raises("429 is understood", ptb_errors.RetryAfter, bot.send_message(person, "x"))
        checks.that("with its waiting time", error is not None and "7 seconds" in str(error), error)
        await control.act(person, "block", blocked=True)
        await checks.raises("a blocked bot is forbidden", ptb_errors.Forbidden, bot.send_message(person, "x"))

    async with app:
        me = await bot.get_me()
        checks.that("getMe names the bot", me.is_bot and me.id == int(token.split(":")[0]), me)
        info = await bot.get_webhook_info()
        checks.that("no webhook is set", info.url == "", info)
        await bot.set_my_commands(COMMANDS, language_code="uk")
        kept = await bot.get_my_commands(language_code="uk")
        checks.that("commands are kept", [(c.command, c.description) for c in kept] == COMMANDS, kept)
        await app.start()
        await app.updater.start_polling(timeout=2)
        try:
            await scenario(checks, control, seen, send_rules)
        finally:
            await app.updater.stop()
            await app.stop()
    stranger = telegram.Bot("1:wrong", base_url=root + "/bot")
    await checks.raises("a wrong token is refused", ptb_errors.InvalidToken, stranger.initialize())
    return checks


async def drive(base, token):
    results = [await drive_aiogram(base, token), await drive_ptb(base, token)]
    for checks in results:
        print(f"{checks.library}: {checks.passed} passed, {checks.failed} failed")
    return 1 if any(checks.failed for checks in results) else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("base_url", help="the sandbox's address")
    parser.add_argument("token", help="the bot's token")
    arguments = parser.parse_args()
    sys.exit(asyncio.run(drive(arguments.base_url, arguments.token)))


if __name__ == "__main__":
    main()
