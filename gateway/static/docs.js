"use strict";
// Draws the OpenAPI document of this server. Text goes into the page as text, never as HTML.

const METHODS = ["get", "post", "put", "patch", "delete"];
let api = null;

function el(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  for (const child of children.flat(4)) if (child !== null && child !== undefined) node.append(child);
  return node;
}

// Backticks become code, blank lines paragraphs; nothing else is interpreted.
function prose(text) {
  return (text || "").split(/\n\s*\n/).map(paragraph =>
    el("p", {}, paragraph.split("`").map((part, i) => (i % 2 ? el("code", {}, part) : part))));
}

function resolve(thing) {
  for (let i = 0; thing && thing.$ref && i < 10; i++) {
    thing = thing.$ref.slice(2).split("/").reduce((at, key) => at && at[key.replace(/~1/g, "/").replace(/~0/g, "~")], api);
  }
  return thing || {};
}

function refName(schema) { return schema && schema.$ref ? schema.$ref.split("/").pop() : null; }

function kindOf(schema) {
  const name = refName(schema);
  if (name) return name;
  if (!schema) return "any";
  const union = schema.oneOf || schema.anyOf || schema.allOf;
  if (union) return union.map(kindOf).join(schema.allOf ? " & " : " | ");
  if (schema.enum) return schema.enum.map(v => JSON.stringify(v)).join(" | ");
  const types = [].concat(schema.type || "any");
  return types.map(t => t === "array" ? `${kindOf(schema.items)}[]` : schema.format && t !== "null" ? `${t} (${schema.format})` : t).join(" | ");
}

function schemaView(schema, depth, seen) {
  const whole = resolve(schema);
  const name = refName(schema);
  if (depth > 5 || (name && seen.includes(name))) return null;
  const path = name ? [...seen, name] : seen;
  const union = whole.oneOf || whole.anyOf || whole.allOf;
  if (union) {
    const items = union.filter(part => part.type !== "null").map(part => el("li", {}, el("span", { class: "kind" }, kindOf(part)), describe(part), schemaView(part, depth + 1, path)));
    return el("ul", {}, items);
  }
  if ([].concat(whole.type || []).includes("array")) return schemaView(whole.items, depth, path);
  const fields = Object.entries(whole.properties || {});
  if (!fields.length) return null;
  const must = whole.required || [];
  return el("ul", {}, fields.map(([field, inner]) => el("li", {},
    el("span", { class: "name mono" }, field), " ", el("span", { class: "kind" }, kindOf(inner)),
    must.includes(field) ? el("span", { class: "must small" }, " required") : null,
    describe(inner), schemaView(inner, depth + 1, path))));
}

function describe(schema) {
  const text = schema && (schema.description || resolve(schema).description);
  return text ? el("span", { class: "soft" }, " — " + text.replace(/\s+/g, " ")) : null;
}

function exampleOf(schema, depth) {
  const whole = resolve(schema);
  if (whole.example !== undefined) return whole.example;
  if (whole.examples && whole.examples.length) return whole.examples[0];
  if (depth > 6) return null;
  const union = whole.oneOf || whole.anyOf;
  if (union) return exampleOf(union.find(part => part.type !== "null") || union[0], depth + 1);
  if (whole.allOf) return Object.assign({}, ...whole.allOf.map(part => exampleOf(part, depth + 1)));
  if (whole.enum) return whole.enum[0];
  const type = [].concat(whole.type || []).find(t => t !== "null");
  if (type === "object" || whole.properties) {
    return Object.fromEntries(Object.entries(whole.properties || {}).map(([k, v]) => [k, exampleOf(v, depth + 1)]));
  }
  if (type === "array") { const inner = exampleOf(whole.items, depth + 1); return inner === null ? [] : [inner]; }
  if (type === "integer" || type === "number") return 0;
  if (type === "boolean") return false;
  if (whole.format === "uuid") return "00000000-0000-0000-0000-000000000000";
  if (whole.format === "date-time") return new Date().toISOString();
  if (whole.format === "date") return new Date().toISOString().slice(0, 10);
  return type === "string" ? "" : null;
}

function tryForm(path, method, operation, parameters, bodySchema) {
  const inputs = new Map();
  const result = el("div", { "aria-live": "polite" });
  const fields = parameters.filter(p => p.in !== "header" || p.name !== "Idempotency-Key").map(p => {
    const id = `f${Math.random().toString(36).slice(2)}`;
    const input = el("input", { id, autocomplete: "off", placeholder: kindOf(p.schema) });
    inputs.set(p, input);
    return el("div", { class: "field" }, el("label", { for: id }, `${p.name} (${p.in})`), input);
  });
  let body = null;
  if (bodySchema) {
    const id = `f${Math.random().toString(36).slice(2)}`;
    body = el("textarea", { id, class: "mono", rows: 8, spellcheck: "false" });
    body.value = JSON.stringify(exampleOf(bodySchema, 0), null, 2);
    fields.push(el("div", { class: "field" }, el("label", { for: id }, "Body"), body));
  }
  async function send(event) {
    event.preventDefault();
    let target = path;
    const query = new URLSearchParams();
    const headers = {};
    const key = document.getElementById("key").value.trim();
    if (key) headers.Authorization = `Bearer ${key}`;
    for (const [p, input] of inputs) {
      if (p.in === "path") target = target.replace(`{${p.name}}`, encodeURIComponent(input.value));
      else if (input.value && p.in === "query") query.set(p.name, input.value);
      else if (input.value) headers[p.name] = input.value;
    }
    if (method !== "get") headers["Idempotency-Key"] = crypto.randomUUID ? crypto.randomUUID() : String(Date.now()) + Math.random();
    if (body) headers["Content-Type"] = "application/json";
    const address = target + (query.size ? `?${query}` : "");
    result.replaceChildren(el("p", { class: "soft" }, "Waiting…"));
    try {
      const started = performance.now();
      const response = await fetch(address, { method: method.toUpperCase(), headers, body: body ? body.value : undefined });
      const took = Math.round(performance.now() - started);
      const type = response.headers.get("content-type") || "";
      const head = el("p", {}, el("span", { class: `badge ${response.ok ? "good" : "bad"}` }, String(response.status)), ` ${took} ms `,
        el("code", {}, `${method.toUpperCase()} ${address}`));
      const shown = [...response.headers].filter(([name]) => /^(x-projection|x-request|ratelimit|retry-after|location)/.test(name)).map(([n, v]) => `${n}: ${v}`).join("\n");
      let content;
      if (type.startsWith("image/")) content = el("img", { src: URL.createObjectURL(await response.blob()), alt: "the answer's image", width: 260 });
      else {
        let text = await response.text();
        if (type.includes("json")) try { text = JSON.stringify(JSON.parse(text), null, 2); } catch (_) { /* shown as it came */ }
        content = el("pre", {}, text || "(no content)");
      }
      result.replaceChildren(head, shown ? el("pre", { class: "small" }, shown) : "", content);
    } catch (error) {
      result.replaceChildren(el("p", { class: "message bad" }, `No answer: ${error.message}`));
    }
  }
  return el("details", {}, el("summary", {}, el("strong", {}, "Try it")), el("form", { onsubmit: send }, fields, el("button", { class: "main" }, "Send"), result));
}

function operationView(path, method, operation, id) {
  const parameters = (operation.parameters || []).map(resolve);
  const content = operation.requestBody && resolve(operation.requestBody).content;
  const bodySchema = content && content["application/json"] && content["application/json"].schema;
  const box = el("details", { class: "op", id });
  box.append(el("summary", {}, el("span", { class: `method ${method}` }, method.toUpperCase()), el("span", { class: "mono" }, path), el("span", { class: "soft" }, operation.summary || "")));
  let drawn = false;
  box.addEventListener("toggle", () => {
    if (drawn || !box.open) return;
    drawn = true;
    const inside = el("div", { class: "body" }, prose(operation.description));
    const roles = (operation.security || []).flatMap(s => Object.values(s)).flat();
    if (roles.length) inside.append(el("p", { class: "small" }, "Scopes: ", roles.map(role => [el("span", { class: "badge" }, role), " "])));
    if (parameters.length) {
      inside.append(el("h3", {}, "Parameters"), el("div", { class: "scroll" }, el("table", {}, el("tbody", {}, parameters.map(p => el("tr", {},
        el("td", { class: "mono nowrap" }, p.name), el("td", { class: "soft" }, p.in + (p.required ? ", required" : "")),
        el("td", { class: "soft" }, kindOf(p.schema)), el("td", {}, prose(p.description))))))));
    }
    if (bodySchema) inside.append(el("h3", {}, `Body: ${kindOf(bodySchema)}`), el("div", { class: "schema" }, schemaView(bodySchema, 0, []) || ""));
    inside.append(el("h3", {}, "Answers"));
    for (const [status, reference] of Object.entries(operation.responses || {})) {
      const response = resolve(reference);
      const [type, media] = Object.entries(response.content || {})[0] || [];
      const view = media && schemaView(media.schema, 0, []);
      const head = [el("span", { class: `badge ${status < 300 ? "good" : status >= 500 ? "bad" : "warn"}` }, status), " ", response.description || "", type ? el("span", { class: "soft small" }, ` ${type} ${media.schema ? kindOf(media.schema) : ""}`) : null];
      inside.append(view ? el("details", { open: status < 300 }, el("summary", {}, head), el("div", { class: "schema" }, view)) : el("p", {}, head));
    }
    inside.append(tryForm(path, method, operation, parameters, bodySchema));
    box.append(inside);
  });
  return box;
}

function draw() {
  document.getElementById("title").textContent = api.info.title;
  document.getElementById("version").textContent = `version ${api.info.version}, OpenAPI ${api.openapi}`;
  document.getElementById("about").replaceChildren(...prose(api.info.description));
  const byTag = new Map((api.tags || []).map(tag => [tag.name, { tag, operations: [] }]));
  for (const [path, item] of Object.entries(api.paths)) for (const method of METHODS) {
    const operation = item[method];
    if (!operation) continue;
    const name = (operation.tags || ["other"])[0];
    if (!byTag.has(name)) byTag.set(name, { tag: { name }, operations: [] });
    byTag.get(name).operations.push({ path, method, operation, id: operation.operationId || `${method}${path}` });
  }
  const operations = document.getElementById("operations"), index = document.getElementById("index");
  for (const { tag, operations: list } of byTag.values()) {
    if (!list.length) continue;
    operations.append(el("section", { class: "tag", style: undefined }, el("h2", {}, tag.name[0].toUpperCase() + tag.name.slice(1)), prose(tag.description).map(p => (p.classList.add("soft"), p)),
      list.map(o => operationView(o.path, o.method, o.operation, o.id))));
    index.append(el("section", {}, el("h3", {}, tag.name), el("ul", {}, list.map(o => el("li", {}, el("a", { href: `#${o.id}`, "data-find": `${o.method} ${o.path} ${o.operation.summary || ""}`.toLowerCase() },
      el("span", { class: `method ${o.method}` }, o.method.toUpperCase()), el("span", {}, o.operation.summary || o.path)))))));
  }
  document.getElementById("find").addEventListener("input", event => {
    const wanted = event.target.value.trim().toLowerCase();
    for (const link of index.querySelectorAll("a")) link.parentNode.hidden = !link.dataset.find.includes(wanted);
  });
  const open = () => { const box = document.getElementById(decodeURIComponent(location.hash.slice(1))); if (box) { box.open = true; box.scrollIntoView(); } };
  addEventListener("hashchange", open);
  open();
}

fetch("/openapi.json").then(response => response.json()).then(json => { api = json; draw(); }).catch(error => {
  document.getElementById("about").replaceChildren(el("p", { class: "message bad" }, `The description could not be loaded: ${error.message}`));
});
