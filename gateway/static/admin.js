"use strict";
// The admin page: a thin face of the API. It can do nothing that the typed-in key may not do by itself. Text from the
// server goes into the page as text, never as HTML.

const STORE = "kvit-key";
const RECEIPT_STATES = ["submitted", "recognised", "recognition_failed", "in_review", "accepted", "rejected", "rewarded"];
const REASONS = ["unreadable", "not_a_receipt", "return_receipt", "no_items", "no_eligible_product", "expired", "future_date",
  "daily_limit", "duplicate_image", "duplicate_receipt", "total_mismatch", "low_confidence", "qr_mismatch", "campaign_inactive",
  "budget_exhausted", "suspected_fraud"];
const GOOD = ["accepted", "rewarded", "succeeded", "active", "ok", "captured", "fiscal", "open", "posted", "completed"];
const BAD = ["rejected", "failed", "recognition_failed", "stuck", "reversed", "down", "stopped", "quarantined", "theirs_only", "ours_only", "amount_differs"];
const WARN = ["in_review", "unknown", "building", "missing", "incomplete", "not_a_receipt", "postponed", "pending", "proposed", "awaiting_capture", "fee_differs", "status_differs"];

const byId = id => document.getElementById(id);
let key = sessionStorage.getItem(STORE) || "";
let seen = 0; // position of this page's last change; lists wait for it

function el(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  for (const child of children.flat(3)) if (child !== null && child !== undefined && child !== false) node.append(child);
  return node;
}

const badge = state => state ? el("span", { class: `badge ${GOOD.includes(state) ? "good" : BAD.includes(state) ? "bad" : WARN.includes(state) ? "warn" : ""}` }, state.replaceAll("_", " ")) : "";
const money = amount => amount ? `${amount.decimal} ${amount.currency}` : "–";
const time = text => text ? new Date(text).toLocaleString("en-GB", { timeZone: "Europe/Kyiv", dateStyle: "medium", timeStyle: "short" }) : "–";
const short = id => el("span", { class: "mono nowrap", title: id }, id ? id.slice(0, 8) : "–");

function say(text, kind) {
  byId("message").replaceChildren(text ? el("p", { class: `message ${kind || ""}` }, text) : "");
}

class Refused extends Error {
  constructor(status, problem) {
    super(problem.detail ? `${problem.detail} (${problem.code})` : `the server answered ${status}`);
    this.status = status;
    this.code = problem.code;
  }
}

async function call(method, path, body) {
  const headers = { Authorization: `Bearer ${key}` };
  if (method !== "GET") headers["Idempotency-Key"] = intention(method, path, body);
  if (body !== undefined) headers["Content-Type"] = "application/json";
  for (let attempt = 1; ; attempt++) {
    const response = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
    if (response.ok) {
      if (method !== "GET") intentions.delete(intentionOf(method, path, body));
      return response;
    }
    let problem = {};
    try { problem = await response.json(); } catch (_) { /* an answer without a body */ }
    // A list that has not caught up with this page's own change is asked for again.
    if (problem.code !== "projection_behind" || attempt === 4) throw new Refused(response.status, problem);
    await new Promise(resolve => setTimeout(resolve, 1000 * (Number(response.headers.get("retry-after")) || 1)));
  }
}

// The same click again after a lost answer carries the same key. Once the answer has come, the next click is a new act: a
// second refund of the same amount is meant as a second refund.
const intentions = new Map();
const intentionOf = (method, path, body) => `${method} ${path} ${JSON.stringify(body || null)}`;
function intention(method, path, body) {
  const what = intentionOf(method, path, body);
  if (!intentions.has(what)) {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    intentions.set(what, "admin-" + [...bytes].map(b => b.toString(16).padStart(2, "0")).join(""));
  }
  return intentions.get(what);
}

const get = async (path, query) => {
  const parameters = new URLSearchParams(Object.entries(query || {}).filter(([, value]) => value));
  if (seen) parameters.set("at_least", seen);
  const tail = parameters.size ? (path.includes("?") ? "&" : "?") + parameters : "";
  return (await call("GET", path + tail)).json();
};

async function change(path, body) {
  const answer = await (await call("POST", path, body)).json();
  if (answer.position) seen = Math.max(seen, answer.position);
  return answer;
}

async function guarded(work) {
  try {
    say("");
    return await work();
  } catch (error) {
    if (error.status === 401) leave("The key is not accepted.");
    else say(error.message, "bad");
    return null;
  }
}

// ---- parts that several tabs use

function select(label, options, value, change) {
  const id = `s-${label.toLowerCase().replaceAll(" ", "-")}`;
  const box = el("select", { id, onchange: event => change(event.target.value) }, el("option", { value: "" }, "all"),
    options.map(option => el("option", { value: option, selected: option === value }, option.replaceAll("_", " "))));
  return el("div", {}, el("label", { for: id }, label), box);
}

function table(caption, heads, rows) {
  return el("div", { class: "scroll" }, el("table", {}, el("caption", { class: "visually-hidden" }, caption),
    el("thead", {}, el("tr", {}, heads.map(head => el("th", { scope: "col", class: head.startsWith("#") ? "number" : null }, head.replace("#", ""))))),
    el("tbody", {}, rows.length ? rows : el("tr", {}, el("td", { colspan: heads.length, class: "soft" }, "Nothing here.")))));
}

// A list that grows by its `links.next`.
function pages(place, first, caption, heads, row) {
  const body = el("tbody");
  const more = el("button", { type: "button" }, "More");
  const load = page => {
    body.append(...page.data.map(row));
    more.hidden = !page.links.next;
    more.onclick = () => guarded(async () => load(await get(page.links.next)));
  };
  load(first);
  const list = table(caption, heads, []);
  if (first.data.length) list.querySelector("tbody").replaceWith(body);
  place.append(list, el("p", {}, more));
}

function reasons(list) {
  return list && list.length ? el("ul", { class: "reasons" }, list.map(reason => el("li", {}, reason.code.replaceAll("_", " "),
    Object.keys(reason.facts).length ? el("span", { class: "soft small" }, " ", Object.entries(reason.facts).map(([k, v]) => `${k} ${v}`).join(", ")) : null))) : "";
}

function facts(pairs) {
  return el("dl", { class: "facts" }, pairs.filter(([, value]) => value !== null && value !== undefined && value !== "").map(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
}

// ---- report

const today = () => new Intl.DateTimeFormat("en-CA", { timeZone: "Europe/Kyiv" }).format(new Date());
let day = today();

async function report(place) {
  const data = await get(`/v1/reports/daily/${day}`);
  const tile = (name, value) => el("div", { class: "tile" }, el("b", {}, String(value)), el("span", { class: "soft" }, name));
  const counts = (title, map) => Object.keys(map).length ? el("div", { class: "card" }, el("h2", {}, title), table(title, ["What", "#Count"],
    Object.entries(map).map(([name, count]) => el("tr", {}, el("td", {}, name.replaceAll("_", " ")), el("td", { class: "number" }, String(count)))))) : null;
  const picker = el("input", { id: "day", type: "date", value: day, max: today(), onchange: event => { day = event.target.value || today(); show("report"); } });
  const csv = el("button", { type: "button", onclick: () => guarded(async () => {
    const file = await (await call("GET", `/v1/reports/daily/${day}.csv`)).blob();
    const link = el("a", { href: URL.createObjectURL(file), download: `kvit-daily-${day}.csv` });
    link.click();
    URL.revokeObjectURL(link.href);
  }) }, "CSV");
  place.append(el("div", { class: "card row end" }, el("div", {}, el("label", { for: "day" }, "Day in Kyiv"), picker), csv),
    el("div", { class: "card" }, el("h2", {}, "Receipts"), el("div", { class: "tiles" }, tile("submitted", data.receipts.submitted),
      tile("accepted", data.receipts.accepted), tile("rejected", data.receipts.rejected), tile("unreadable", data.receipts.recognition_failed),
      tile("in review at the end", data.receipts.in_review), tile("paid, of those uploaded", `${data.funnel.paid} / ${data.funnel.uploaded}`))),
    el("div", { class: "card" }, el("h2", {}, "Money"), table("Money", ["Currency", "#Rewards", "#Paid out", "#Jobs", "#Held", "#Owed to users"],
      data.money.map(m => el("tr", {}, el("td", {}, m.currency), [m.rewards, m.paid_out, m.jobs, m.held, m.wallets].map(a => el("td", { class: "number" }, a.decimal)))))),
    el("div", { class: "card" }, el("h2", {}, "Payouts"), table("Payouts", ["Provider", "#Requested", "#Paid", "#Failed", "#Unknown", "#Under way"],
      data.payouts.map(p => el("tr", {}, el("td", {}, p.provider), [p.requested, p.succeeded, p.failed, p.unknown, p.underway].map(c => el("td", { class: "number" }, `${c.count} · ${money(c.amount)}`)))))),
    el("div", { class: "card" }, el("h2", {}, "Users"), el("div", { class: "tiles" }, tile("in all", data.users.total), tile("new", data.users.new),
      tile("active", data.users.active), tile("back after 7 days", `${data.users.retained_7d} / ${data.users.cohort_7d}`))));
  for (const card of [counts("Rejected because", data.receipts.rejected_by_reason), counts("Sent to a person because", data.receipts.review_by_reason), counts("Jobs", data.jobs.entered)]) if (card) place.append(card);
}

// ---- receipts

const filter = { state: "", reason: "" };

function receiptRow(receipt) {
  return el("tr", {}, el("td", { class: "nowrap" }, time(receipt.submitted_at)), el("td", {}, badge(receipt.state)),
    el("td", {}, receipt.merchant || el("span", { class: "soft" }, "–")), el("td", { class: "number" }, money(receipt.total)),
    el("td", {}, reasons(receipt.reasons) || receipt.failure_code || ""), el("td", { class: "number" }, money(receipt.reward)),
    el("td", {}, badge(receipt.payout_state)),
    el("td", {}, el("button", { type: "button", "aria-label": `Look at receipt ${receipt.id}`, onclick: () => guarded(() => detail(receipt.id)) }, "Look")));
}

const RECEIPT_HEADS = ["Sent", "State", "Merchant", "#Total", "Reasons", "#Reward", "Payout", ""];

async function receipts(place) {
  const set = name => value => { filter[name] = value; show("receipts"); };
  place.append(el("div", { class: "card row end" }, select("State", RECEIPT_STATES, filter.state, set("state")), select("Reason", REASONS, filter.reason, set("reason"))));
  const card = el("div", { class: "card" });
  pages(card, await get("/v1/receipts", filter), "Receipts", RECEIPT_HEADS, receiptRow);
  place.append(card);
}

async function review(place) {
  const queue = await get("/v1/review-queue");
  const card = el("div", { class: "card" }, el("h2", {}, "Waiting for a person, the oldest first"));
  pages(card, queue, "Review queue", RECEIPT_HEADS, receiptRow);
  place.append(card);
}

async function photo(id) {
  try {
    const blob = await (await call("GET", `/v1/receipts/${id}/preview`)).blob();
    return el("img", { src: URL.createObjectURL(blob), alt: "The photo of the receipt" });
  } catch (error) {
    return el("p", { class: "soft" }, error.status === 403 ? "This key may not look at photos." : `No photo: ${error.message}`);
  }
}

async function detail(id) {
  const [receipt, picture] = await Promise.all([get(`/v1/receipts/${id}`), photo(id)]);
  const read = receipt.reading;
  const sure = field => field ? [field.value, el("span", { class: "soft small" }, ` ${Math.round(field.confidence / 10)} %`)] : null;
  const box = byId("detail");
  const close = el("button", { type: "button", onclick: () => box.close() }, "Close");
  const right = el("div", {},
    facts([["State", badge(receipt.state)], ["Sent", time(receipt.submitted_at)], ["User", el("span", { class: "mono small" }, receipt.user_id)],
      ["Reasons", reasons(receipt.reasons)], ["Failure", receipt.failure_code], ["Same photo as", receipt.duplicate_of], ["Reward", receipt.reward ? money(receipt.reward) : null],
      ["Payout", receipt.payout_state ? badge(receipt.payout_state) : null], ["Note", receipt.review_note], ["Appealed", receipt.appealed ? "yes" : null]]));
  if (read) {
    right.append(el("h3", {}, "What was read"), facts([["QR code", [badge(read.qr.kind), " ", read.qr.missing.length ? `without ${read.qr.missing.join(", ")}` : ""]],
      ["Bought", read.qr.purchased_at || sure(read.purchased_at) || sure(read.purchased_on)], ["Total", read.qr.total ? money(read.qr.total) : sure(read.total)],
      ["Merchant", sure(read.merchant)], ["Tax id", sure(read.tax_id)], ["Register", read.qr.register_number || sure(read.register_number)],
      ["Number", read.qr.receipt_number || sure(read.receipt_number)], ["Confidence", `${Math.round(read.confidence / 10)} %`], ["Doubts", read.anomalies.join("; ")]]));
    if (read.items.length) right.append(el("h3", {}, "Lines"), table("Lines", ["Name", "#Quantity", "#Sum"], read.items.map(item => el("tr", {},
      el("td", {}, item.name), el("td", { class: "number" }, item.quantity), el("td", { class: "number" }, item.sum.decimal)))));
  }
  if (receipt.state === "in_review") right.append(decision(receipt, box));
  box.replaceChildren(el("div", { class: "row" }, el("h2", { id: "detail-title" }, "Receipt ", short(receipt.id)), el("span", { class: "grow" }), close),
    el("div", { class: "split" }, el("div", {}, picture), right));
  box.showModal();
}

function decision(receipt, box) {
  const why = el("textarea", { id: "why", maxlength: 500, required: true });
  const error = el("p", { class: "message bad", role: "alert", hidden: true });
  const decide = verdict => async event => {
    event.preventDefault();
    if (!why.reportValidity()) return;
    try {
      await change(`/v1/receipts/${receipt.id}/review`, { verdict, reason: why.value });
      box.close();
      await show(current);
      say(verdict === "accept" ? "Accepted. The reward is on its way." : "Rejected.", "good");
    } catch (problem) {
      error.textContent = problem.message;
      error.hidden = false;
    }
  };
  return el("form", {}, el("h3", {}, "Decision"), el("label", { for: "why" }, "Reason (becomes part of the history)"), why, error,
    el("p", { class: "row" }, el("button", { class: "good", onclick: decide("accept") }, "Accept"), el("button", { class: "bad", onclick: decide("reject") }, "Reject")));
}

// ---- system

async function system(place) {
  const [projections, letters, balance] = await Promise.all([get("/v1/projections"), get("/v1/dead-letters"), get("/v1/trial-balance")]);
  place.append(el("div", { class: "card" }, el("h2", {}, "Read models"), table("Read models", ["Name", "State", "#Position", "#Events behind", "#Seconds behind", "#Left out", "Stuck before"],
      projections.data.map(p => el("tr", {}, el("td", {}, p.name), el("td", {}, badge(p.state)), [p.position, p.lag_events, p.lag_seconds, p.parked].map(n => el("td", { class: "number" }, String(n))),
        el("td", {}, p.stuck_at ? `${p.stuck_at.event_type} at ${p.stuck_at.position}: ${p.stuck_at.reason}` : ""))))),
    el("div", { class: "card" }, el("h2", {}, "Dead letters"), table("Dead letters", ["Since", "Handler", "Event", "Reason", "#Tries", ""],
      letters.data.map(l => el("tr", {}, el("td", { class: "nowrap" }, time(l.dead_since)), el("td", {}, l.handler), el("td", {}, l.event_type), el("td", {}, l.reason), el("td", { class: "number" }, String(l.deliveries)),
        el("td", {}, el("button", { type: "button", onclick: () => guarded(async () => { await call("POST", `/v1/dead-letters/${encodeURIComponent(l.id)}/replay`); await show("system"); }) }, "Again")))))),
    el("div", { class: "card" }, el("h2", {}, "Trial balance ", badge(balance.balanced ? "ok" : "failed")), table("Trial balance", ["Account", "#Debit", "#Credit", "#Balance"],
      balance.accounts.map(a => el("tr", {}, el("td", { class: "mono" }, a.account), el("td", { class: "number" }, a.debit.decimal), el("td", { class: "number" }, a.credit.decimal), el("td", { class: "number" }, money(a.balance)))))));
}

// ---- frame

const TABS = { report, receipts, review, payments, payouts, adjustments, reconciliation, wallet, periods, system };
let current = "report";

async function show(name) {
  current = name in TABS ? name : "report";
  for (const tab of document.querySelectorAll("[role=tab]")) {
    const chosen = tab.dataset.tab === current;
    tab.setAttribute("aria-selected", String(chosen));
    tab.tabIndex = chosen ? 0 : -1;
    byId(tab.dataset.tab).hidden = !chosen;
  }
  if (location.hash.slice(1) !== current) history.replaceState(null, "", `#${current}`);
  const fresh = document.createDocumentFragment();
  const place = byId(current);
  place.setAttribute("aria-busy", "true");
  await guarded(async () => {
    await TABS[current](fresh);
    place.replaceChildren(fresh);
  });
  place.removeAttribute("aria-busy");
}

function leave(text) {
  key = "";
  sessionStorage.removeItem(STORE);
  byId("desk").hidden = true;
  byId("leave").hidden = true;
  byId("enter").hidden = false;
  for (const name of Object.keys(TABS)) byId(name).replaceChildren();
  say(text || "", text ? "bad" : "");
  byId("key").focus();
}

function enter() {
  byId("enter").hidden = true;
  byId("desk").hidden = false;
  byId("leave").hidden = false;
  show(location.hash.slice(1) || "report");
}

byId("enter-form").addEventListener("submit", event => {
  event.preventDefault();
  key = byId("key").value.trim();
  byId("key").value = "";
  sessionStorage.setItem(STORE, key);
  enter();
});
byId("leave").addEventListener("click", () => leave());
for (const tab of document.querySelectorAll("[role=tab]")) {
  tab.addEventListener("click", () => show(tab.dataset.tab));
  tab.addEventListener("keydown", event => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const tabs = [...document.querySelectorAll("[role=tab]")];
    const next = tabs[(tabs.indexOf(tab) + step + tabs.length) % tabs.length];
    next.focus();
    show(next.dataset.tab);
  });
}
if (key) enter(); else { byId("enter").hidden = false; byId("key").focus(); }
