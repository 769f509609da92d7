"use strict";
// The tabs of the admin page that are about money: payments, payouts, corrections, comparisons, wallets. Loaded before
// admin.js, whose helpers it uses when a tab is opened.

const PAYMENT_STATES = ["intended", "sending", "pending", "awaiting_capture", "succeeded", "canceled", "quarantined", "resolved"];
const PAYOUT_STATES = ["held", "created", "sent", "pending", "unknown", "succeeded", "failed", "in_review", "reversed"];
const PROVIDERS = ["portmone", "yookassa", "telegram"];
const LISTS = ["payments", "refunds", "payouts", "settlement"];
const DECIMALS = { UAH: 2, RUB: 2, USD: 2, EUR: 2, XTR: 0 };

// ---- parts

// A question in the dialog: facts, some fields, and buttons that each send something.
function ask(title, pairs, fields, actions) {
  const box = byId("detail");
  const error = el("p", { class: "message bad", role: "alert", hidden: true });
  const form = el("form", {}, fields.map(([label, input]) => el("div", { class: "field" }, el("label", { for: input.id }, label), input)), error);
  const press = action => async event => {
    event.preventDefault();
    if (!form.reportValidity()) return;
    try {
      await action();
      box.close();
      await show(current);
      say("Done.", "good");
    } catch (problem) {
      error.textContent = problem.message;
      error.hidden = false;
    }
  };
  form.append(el("p", { class: "row" }, actions.map(([name, kind, action]) => el("button", { class: kind, onclick: press(action) }, name)),
    el("button", { type: "button", onclick: () => box.close() }, "Close")));
  box.replaceChildren(el("h2", { id: "detail-title" }, title), facts(pairs), form);
  box.showModal();
}

const reasonField = () => el("textarea", { id: "why", maxlength: 500, required: true });
const textField = (id, attributes) => el("input", { id, required: true, autocomplete: "off", spellcheck: "false", ...attributes });
const choice = (id, options) => el("select", { id }, options.map(option => el("option", { value: option }, option)));
const button = (name, action, kind) => el("button", { type: "button", class: kind, onclick: action }, name);
const cell = (...content) => el("td", {}, ...content);
const number = text => el("td", { class: "number" }, text);
const card = (title, ...content) => el("div", { class: "card" }, title ? el("h2", {}, title) : null, ...content);

// "12.34" in a currency as whole minor units, without binary fractions.
function minor(text, currency) {
  const decimals = DECIMALS[currency];
  const match = /^(\d{1,12})(?:[.,](\d+))?$/.exec(text.trim());
  const fraction = match && (match[2] || "");
  if (!match || decimals === undefined || fraction.length > decimals) throw new Error(`an amount of ${currency} such as ${decimals ? "12.34" : "12"} is expected`);
  return Number(match[1] + fraction.padEnd(decimals, "0"));
}

function age(since) {
  const minutes = Math.max(0, Math.round((Date.now() - new Date(since)) / 60000));
  return minutes < 120 ? `${minutes} min` : minutes < 2880 ? `${Math.round(minutes / 60)} h` : `${Math.round(minutes / 1440)} days`;
}

function check(id, label, checked, change) {
  const input = el("input", { id, type: "checkbox", checked: Boolean(checked), onchange: event => change(event.target.checked) });
  return el("label", { class: "check", for: id }, input, ` ${label}`);
}

// ---- payments

const paymentFilter = { state: "", provider: "", contradicted: "" };

async function payments(place) {
  const quarantined = await get("/v1/payments", { state: "quarantined", limit: 200 });
  if (quarantined.data.length) {
    place.append(card("In quarantine: what came does not fit what was asked for", table("Quarantine", ["Since", "Payment", "#Asked for", "#Came", "Why", ""],
      quarantined.data.map(p => el("tr", {}, cell(age(p.state_since)), cell(short(p.id)), number(money(p.amount)), number(money(p.paid)), cell(p.reason || ""),
        cell(button("Decide", () => quarantine(p))))))));
  }
  const set = name => value => { paymentFilter[name] = value; show("payments"); };
  place.append(el("div", { class: "card row end" }, select("Payment state", PAYMENT_STATES, paymentFilter.state, set("state")),
    select("Payment provider", PROVIDERS, paymentFilter.provider, set("provider")),
    check("contradicted", "only those that the provider contradicts", paymentFilter.contradicted, on => set("contradicted")(on ? "true" : ""))));
  const list = card();
  pages(list, await get("/v1/payments", paymentFilter), "Payments", ["Asked for", "Id", "State", "#Amount", "#Paid", "#Went back", "Provider", "Notes", ""], paymentRow);
  place.append(list);
}

function paymentRow(p) {
  const back = p.refunded.minor || p.refunding.minor ? `${p.refunded.decimal}${p.refunding.minor ? ` + ${p.refunding.decimal} under way` : ""}` : "";
  const notes = [p.test && "test", p.fee && `fee ${p.fee.decimal}`, p.late && "late", p.contradicted && `provider now says ${p.contradicted}`, p.reason && p.reason.replaceAll("_", " "), p.cancel_intended && "being cancelled", p.capturing && `being captured: ${money(p.capturing)}`].filter(Boolean).join("; ");
  return el("tr", {}, el("td", { class: "nowrap" }, time(p.intended_at)), cell(short(p.id)), cell(badge(p.state)), number(money(p.amount)), number(money(p.paid)),
    number(back), cell(p.provider), cell(notes), cell(paymentAction(p)));
}

function paymentAction(p) {
  if (p.state === "succeeded" && p.paid.minor > p.refunded.minor + p.refunding.minor) return button("Refund", () => refund(p));
  if (p.state === "awaiting_capture" && !p.capturing && !p.cancel_intended) return button("Capture", () => capture(p));
  if (p.state === "quarantined") return button("Decide", () => quarantine(p));
  return "";
}

function quarantine(p) {
  const why = reasonField();
  const decide = credit => () => change(`/v1/payments/${p.id}/quarantine/resolve`, { credit, reason: why.value });
  const credit = p.paid ? [[`Credit ${money(p.paid)}`, "good", decide(true)]] : [];
  ask("What becomes of this money?", [["Payment", p.id], ["Asked for", money(p.amount)], ["Came", money(p.paid)], ["Why it is here", p.reason], ["At the provider", p.provider_id]],
    [["How you found out (becomes part of the history)", why]], [...credit, ["Leave it in suspense", "bad", decide(false)]]);
}

function refund(p) {
  const left = { minor: p.paid.minor - p.refunded.minor - p.refunding.minor, currency: p.paid.currency };
  const [amount, why] = [textField("amount", { inputmode: "decimal" }), reasonField()];
  ask("Give money back", [["Payment", p.id], ["Paid", money(p.paid)], ["Went back", money(p.refunded)]], [[`Amount in ${left.currency}`, amount], ["Why", why]],
    [["Refund", "main", () => change(`/v1/payments/${p.id}/refunds`, { amount: { minor: minor(amount.value, left.currency), currency: left.currency }, reason: why.value })]]);
}

function capture(p) {
  const amount = textField("amount", { inputmode: "decimal", value: p.amount.decimal });
  ask("Take the held money", [["Payment", p.id], ["Held", money(p.amount)], ["Given back by itself", time(p.capture_until)]], [[`Amount in ${p.amount.currency}; the rest goes back`, amount]],
    [["Capture", "main", () => change(`/v1/payments/${p.id}/capture`, { amount: { minor: minor(amount.value, p.amount.currency), currency: p.amount.currency } })],
      ["Give all back", "bad", () => change(`/v1/payments/${p.id}/cancel`)]]);
}

// ---- payouts

const payoutFilter = { state: "", provider: "", postponed: "" };

async function payouts(place) {
  const switches = await get("/v1/providers");
  place.append(card("Providers", table("Providers", ["Provider", "New payouts", "Why", ""], switches.data.map(switchRow))));
  const set = name => value => { payoutFilter[name] = value; show("payouts"); };
  place.append(el("div", { class: "card row end" }, select("Payout state", PAYOUT_STATES, payoutFilter.state, set("state")),
    select("Payout provider", PROVIDERS, payoutFilter.provider, set("provider")), check("postponed", "only postponed ones", payoutFilter.postponed, on => set("postponed")(on ? "true" : ""))));
  const list = card();
  pages(list, await get("/v1/payouts", payoutFilter), "Payouts", ["Requested", "Id", "State", "#Amount", "Through", "#Attempt", "Bill", "Reason", ""], payoutRow);
  place.append(list);
}

function switchRow(s) {
  const why = s.stopped ? `${s.stopped} (${s.stopped_by}, ${time(s.stopped_since)})` : s.breaker_until ? `failures in a row: ${s.breaker_code}; tried again ${time(s.breaker_until)}` : s.resumed_reason ? `resumed by ${s.resumed_by}: ${s.resumed_reason}` : "";
  const flip = (what, title, kind) => button(title, () => {
    const reason = reasonField();
    ask(`${title}: ${s.name}`, [], [["Why (becomes part of the history)", reason]], [[title, kind, () => change(`/v1/providers/${s.name}/${what}`, { reason: reason.value })]]);
  }, kind);
  return el("tr", {}, cell(s.name), cell(badge(s.open ? "open" : "stopped")), cell(why), cell(el("span", { class: "row tight" }, s.stopped ? null : flip("stop", "Stop", "bad"), s.open ? null : flip("resume", "Resume", "good"))));
}

function payoutRow(p) {
  const waits = p.postponed ? `${p.postponed.replaceAll("_", " ")}${p.postponed_until ? ` until ${time(p.postponed_until)}` : ""}` : "";
  return el("tr", {}, el("td", { class: "nowrap" }, time(p.requested_at)), cell(short(p.id)), cell(badge(p.state), waits ? [" ", badge("postponed")] : null), number(money(p.amount)),
    cell([p.provider, p.method.replaceAll("_", " "), p.operator].filter(Boolean).join(", ")), number(String(p.attempt)), cell(p.bill_id || p.provider_id || "–"), cell([waits, p.reason].filter(Boolean).join("; ")), cell(payoutAction(p)));
}

function payoutAction(p) {
  if (p.state === "failed") return button("Pay again", () => payAgain(p));
  if (["in_review", "unknown"].includes(p.state)) return button("Resolve", () => resolution(p));
  return "";
}

function payAgain(p) {
  const operator = choice("operator", ["as before", "kyivstar", "vodafone", "lifecell"]);
  const body = () => operator.value === "as before" ? undefined : { operator: operator.value };
  ask("Pay again, as a new payout", [["Failed payout", p.id], ["Amount", money(p.amount)], ["Why it failed", p.reason]], p.method === "mobile_top_up" ? [["Operator of the number now", operator]] : [],
    [["Pay again", "main", () => change(`/v1/payouts/${p.id}/retry`, body())]]);
}

function resolution(p) {
  const why = reasonField();
  const resolve = paid => () => change(`/v1/payouts/${p.id}/resolution`, { paid, reason: why.value });
  ask("How did this payout end?", [["Payout", p.id], ["Amount", money(p.amount)], ["Bill", p.bill_id], ["Why it is here", p.reason], ["Nobody knows since", p.unknown_since && age(p.unknown_since)]],
    [["How you found out (becomes part of the history)", why]], [["It was paid", "good", resolve(true)], ["It was not paid", "bad", resolve(false)]]);
}

// ---- adjustments

async function adjustments(place) {
  const [queue, all] = await Promise.all([get("/v1/adjustment-queue"), get("/v1/adjustments")]);
  const heads = ["Proposed", "Wallet", "#Effect", "Against", "Why", "By", "State", ""];
  const waiting = card("Waiting for a second person");
  pages(waiting, queue, "Adjustments to approve", heads, adjustmentRow);
  const history = card("All");
  pages(history, all, "Adjustments", heads, a => adjustmentRow(a, true));
  place.append(el("p", { class: "row" }, button("Propose a correction", propose, "main")), waiting, history);
}

function adjustmentRow(a, past) {
  const other = a.legs.map(leg => leg.account).filter(account => account !== `wallet:${a.wallet_id}`).join(", ");
  const decided = a.decided_by ? `${a.decided_by}: ${a.decision}` : "";
  const decide = (what, title, kind) => button(title, () => {
    const why = reasonField();
    ask(title, [["Wallet", a.wallet_id], ["Effect", money(a.effect)], ["Counts from", a.value_date], ["Why", a.reason], ["Proposed by", a.proposed_by], ["Corrects", a.corrects]],
      [["Your reason (becomes part of the history)", why]], [[title, kind, () => change(`/v1/adjustments/${a.id}/${what}`, { reason: why.value })]]);
  }, kind);
  return el("tr", {}, el("td", { class: "nowrap" }, time(a.proposed_at)), cell(short(a.wallet_id)), number(money(a.effect)), cell(other), cell(a.reason), cell(a.proposed_by), cell(badge(a.state), decided ? el("div", { class: "small soft" }, decided) : null),
    cell(a.state === "proposed" && past !== true ? el("span", { class: "row tight" }, decide("approve", "Approve", "good"), decide("decline", "Decline", "bad")) : ""));
}

function propose() {
  const [wallet, side, amount, why] = [textField("wallet", { size: 44, placeholder: "<user>:UAH" }), choice("side", ["credit", "debit"]), textField("amount", { inputmode: "decimal" }), reasonField()];
  const body = () => {
    const currency = wallet.value.trim().split(":")[1] || "";
    return { wallet_id: wallet.value.trim(), side: side.value, amount: { minor: minor(amount.value, currency), currency }, reason: why.value };
  };
  ask("Propose a correction", [], [["Wallet", wallet], ["Credit: the wallet grows; debit: it shrinks", side], ["Amount in the wallet's currency", amount], ["Why (becomes part of the history)", why]],
    [["Propose", "main", () => change("/v1/adjustments", body())]]);
}

// ---- reconciliation

async function reconciliation(place) {
  const [breaks, statements] = await Promise.all([get("/v1/reconciliation/breaks"), get("/v1/reconciliation/statements")]);
  const open = card("Differences that nobody has settled, the oldest first");
  pages(open, breaks, "Breaks", ["Age", "List", "Item", "What differs", "#Theirs", "#Ours", "Owner", ""], breakRow);
  const lists = card("Lists that were compared", table("Lists", ["Day", "Provider", "List", "#Items", "#Agree", "#Open", "#Settled", "Read"], statements.data.map(s => el("tr", {}, cell(s.day), cell(s.provider), cell(s.kind),
    [s.items, s.matched, s.open_breaks, s.resolved_breaks].map(n => number(String(n))), cell(time(s.imported_at))))));
  place.append(el("p", { class: "row" }, button("Compare a day now", compare, "main")), open, lists);
}

function breakRow(b) {
  const path = `/v1/reconciliation/${b.provider}/${b.kind}/${b.day}/breaks/${encodeURIComponent(b.item)}`;
  const about = [["List", `${b.provider}, ${b.kind}, ${b.day}`], ["Item", b.item], ["Our operation", b.operation], ["What differs", b.class.replaceAll("_", " ")], ["Theirs", money(b.theirs)], ["Ours", money(b.ours)]];
  const assign = () => { const owner = textField("owner", { maxlength: 100, value: b.owner || "" }); ask("Who takes care of this?", about, [["Owner", owner]], [["Assign", "main", () => change(`${path}/assign`, { owner: owner.value })]]); };
  const settle = () => { const why = reasonField(); ask("How was this settled?", about, [["How (becomes part of the history)", why]], [["Settled", "good", () => change(`${path}/resolve`, { reason: why.value })]]); };
  return el("tr", {}, el("td", { class: "nowrap" }, age(b.opened_at)), cell(`${b.provider}, ${b.kind}, ${b.day}`), el("td", { class: "mono" }, b.item), cell(badge(b.class)), number(money(b.theirs)), number(money(b.ours)), cell(b.owner || "–"),
    cell(el("span", { class: "row tight" }, button("Assign", assign), button("Settle", settle))));
}

function compare() {
  const [provider, list, date] = [choice("provider", PROVIDERS), choice("list", LISTS), textField("date", { type: "date", max: today() })];
  ask("Compare a provider's list with our books", [], [["Provider", provider], ["List", list], ["Day (UTC)", date]], [["Compare", "main", () => change(`/v1/reconciliation/${provider.value}/${list.value}/${date.value}/run`)]]);
}

// ---- where the money is

let soughtWallet = "";

async function wallet(place) {
  const input = textField("sought", { size: 46, value: soughtWallet, placeholder: "<user>:UAH" });
  const find = event => { event.preventDefault(); soughtWallet = input.value.trim(); show("wallet"); };
  place.append(card(null, el("form", { class: "row end", onsubmit: find }, el("div", {}, el("label", { for: "sought" }, "Wallet: user id and currency"), input), el("button", { class: "main" }, "Where is the money?"))));
  if (!soughtWallet) return;
  const found = await get(`/v1/wallets/${encodeURIComponent(soughtWallet)}/whereabouts?movements=20`);
  const tile = (name, amount) => el("div", { class: "tile" }, el("b", {}, money(amount)), el("span", { class: "soft" }, name));
  const waiting = found.items.filter(item => item.kind !== "movement");
  place.append(card("Now", el("div", { class: "tiles" }, tile("free", found.available), tile("held", found.held), tile("in the wallet", found.posted))),
    card("In words", el("ul", { class: "words" }, found.sentences.map(sentence => el("li", {}, sentence)))),
    card("What it waits for", table("Waiting", ["Since", "What", "#Amount", "State", "Waits for", "Until", "Reason"], waiting.map(item => el("tr", {}, el("td", { class: "nowrap" }, time(item.since)),
      cell(`${item.direction === "in" ? "in: " : ""}${item.kind}`, el("div", { class: "mono small soft" }, item.reference)), number(money(item.amount)), cell(badge(item.state)), cell(item.waits_for.replaceAll("_", " ")), cell(time(item.until)), cell(item.reason || ""))))));
}

// ---- periods

async function periods(place) {
  const closed = await get("/v1/periods");
  place.append(el("p", { class: "row" }, button("Close a month", closeMonth, "main")), card("Closed months", table("Closed months", ["Month", "Debits, minor units", "#Position", "By", "What was checked", "When"], closed.data.map(p => el("tr", {}, cell(p.month),
    cell(Object.entries(p.totals).map(([currency, total]) => `${currency} ${total}`).join(", ") || "nothing"), number(String(p.closed_position)), cell(p.closed_by), cell(p.reason), cell(time(p.closed_at)))))));
}

function closeMonth() {
  const [month, why] = [textField("month", { type: "month" }), reasonField()];
  ask("Close a month for good", [["What it means", "Nothing is booked with a value date inside it any more."]], [["Month", month], ["What was checked (becomes part of the history)", why]],
    [["Close it", "bad", () => change(`/v1/periods/${month.value}/close`, { reason: why.value })]]);
}
