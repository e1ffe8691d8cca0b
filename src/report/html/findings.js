// The table of findings: filters that stand in the address, an order, and only those rows that can be seen.

const PRINTED = 500;
const COLUMNS = [["severity", "Severity"], ["rule", "Rule"], ["object", "Object"], ["message", "Finding"], ["state", "State"]];
const table = { rows: new Uint32Array(), here: 0, filter: null, parts: {}, ranks: {} };
const groups = [...new Set(data.rules.map((rule) => rule.group))];
const lowered = (texts) => texts.map((text) => text.toLowerCase());
const haystacks = {
  subjects: lowered(data.subjects.map((subject) => subject.join(" "))),
  texts: lowered(data.texts),
  rules: lowered(data.rules.map((rule) => `${rule.id} ${rule.title}`)),
};

/** The filter that the address asks for. */
function readFilter(parameters) {
  const order = parameters.get("sort") ?? "";
  return {
    severities: new Set((parameters.get("sev") ?? "").split(",").filter((name) => SEVERITIES.includes(name))),
    rule: parameters.get("rule") ?? "",
    group: parameters.get("group") ?? "",
    state: parameters.get("state") ?? "",
    text: parameters.get("q") ?? "",
    column: order.replace("-", "") || "severity",
    down: order.startsWith("-"),
  };
}

/** The address of a filter. */
function addressOf(filter) {
  const parameters = new URLSearchParams();
  if (filter.severities.size) parameters.set("sev", SEVERITIES.filter((name) => filter.severities.has(name)).join(","));
  for (const name of ["rule", "group", "state"]) if (filter[name]) parameters.set(name, filter[name]);
  if (filter.text) parameters.set("q", filter.text);
  if (filter.column !== "severity" || filter.down) parameters.set("sort", (filter.down ? "-" : "") + filter.column);
  return `#${parameters.size ? parameters : "findings"}`;
}

/** The rows that a filter lets pass, in its order. Each different text is looked at once, not once a row. */
function select(filter) {
  const { rule, severity, subject, part, message, state } = data.findings;
  const severities = SEVERITIES.map((name) => !filter.severities.size || filter.severities.has(name));
  const rules = data.rules.map((one) => (!filter.rule || one.id === filter.rule) && (!filter.group || one.group === filter.group));
  const states = data.states.map((one) => !filter.state || one.state === filter.state);
  const words = filter.text.toLowerCase().split(/\s+/).filter(Boolean).map((word) => {
    const has = (texts) => Uint8Array.from(texts, (text) => (text.includes(word) ? 1 : 0));
    return { word, subjects: has(haystacks.subjects), texts: has(haystacks.texts), rules: has(haystacks.rules) };
  });
  const matches = (row) => words.every((one) => one.subjects[subject[row]] || one.texts[message[row]] || one.rules[rule[row]] || part[row].toLowerCase().includes(one.word));
  const found = new Uint32Array(rule.length);
  let count = 0;
  for (let row = 0; row < rule.length; row++) {
    if (severities[severity[row]] && rules[rule[row]] && states[state[row]] && matches(row)) found[count++] = row;
  }
  const rows = found.subarray(0, count);
  if (filter.column === "severity") return filter.down ? rows.reverse() : rows;
  const ranks = ranksOf(filter.column);
  const sign = filter.down ? -1 : 1;
  return rows.sort((one, two) => sign * (ranks[one] - ranks[two]) || one - two);
}

/** The place of each row in the order of a column. */
function ranksOf(column) {
  const ranked = (texts) => {
    const order = texts.map((_, index) => index).sort((one, two) => (texts[one] < texts[two] ? -1 : texts[one] > texts[two] ? 1 : 0));
    const ranks = new Uint32Array(texts.length);
    order.forEach((index, place) => { ranks[index] = place && texts[index] === texts[order[place - 1]] ? ranks[order[place - 1]] : place; });
    return ranks;
  };
  const { rule, subject, message, state } = data.findings;
  const make = {
    rule: () => [rule, ranked(data.rules.map((one) => one.id))],
    object: () => [subject, ranked(data.subjects.map((one) => (one[3] || one[1]).toLowerCase()))],
    message: () => [message, ranked(haystacks.texts)],
    state: () => [state, ranked(data.states.map((one) => one.state))],
  };
  table.ranks[column] ??= (() => {
    const [indices, ranks] = (make[column] ?? make.rule)();
    return Uint32Array.from(indices, (index) => ranks[index]);
  })();
  return table.ranks[column];
}

/** Builds the filters and the empty grid, once. */
function buildTable() {
  const change = (name, value) => { location.hash = addressOf({ ...table.filter, [name]: value }); };
  const toggle = (name) => {
    const severities = new Set(table.filter.severities);
    if (!severities.delete(name)) severities.add(name);
    change("severities", severities);
  };
  const buttons = SEVERITIES.map((name) => node("button", { type: "button", "data-severity": name, click: () => toggle(name) }, name));
  const choice = (name, label, options) => node("select", { "aria-label": label, "data-filter": name, change: (event) => change(name, event.target.value) },
    node("option", { value: "" }, label), options.map(([value, text]) => node("option", { value }, text)));
  const present = new Set(data.findings.rule);
  const rules = data.rules.filter((_, index) => present.has(index)).map((rule) => [rule.id, `${rule.id} ${rule.title}`]);
  const states = [...new Set(data.states.map((state) => state.state))].map((state) => [state, state]);
  let waiting = 0;
  const typed = (event) => {
    clearTimeout(waiting);
    // The address follows the typing without a step back for each letter.
    waiting = setTimeout(() => { history.replaceState(null, "", addressOf({ ...table.filter, text: event.target.value })); applyFilter(); }, 120);
  };
  const search = node("input", { type: "search", placeholder: "Search names, ids, texts", "aria-label": "Search findings", input: typed });
  const clear = node("button", { type: "button", click: () => { location.hash = "#findings"; } }, "Clear");
  const csv = node("button", { type: "button", id: "csv", click: saveCsv }, "CSV");
  const filters = node("div", { class: "filters", role: "search" }, node("div", { class: "group", role: "group", "aria-label": "Severity" }, buttons),
    search, choice("rule", "All rules", rules), choice("group", "All groups", groups.map((group) => [group, group.replaceAll("-", " ")])), choice("state", "All states", states), clear, csv);
  const heads = COLUMNS.map(([name, label]) => node("div", { role: "columnheader", "data-column": name },
    node("button", { type: "button", click: () => { const { column, down } = table.filter; location.hash = addressOf({ ...table.filter, column: name, down: column === name && !down }); } }, label)));
  const sizer = node("div", { class: "sizer", role: "rowgroup" });
  const viewport = node("div", { class: "viewport" }, sizer);
  const grid = node("div", { class: "grid", role: "grid", tabindex: "0", "aria-label": "Findings", "aria-colcount": COLUMNS.length, keydown: gridKeys },
    node("div", { role: "rowgroup" }, node("div", { class: "line heads", role: "row", "aria-rowindex": "1" }, heads)), viewport);
  const nothing = node("p", { class: "nothing", hidden: true }, "");
  viewport.addEventListener("scroll", () => requestAnimationFrame(draw), { passive: true });
  addEventListener("resize", () => requestAnimationFrame(draw));
  Object.assign(table.parts, { filters, buttons, search, clear, heads, grid, viewport, sizer, nothing });
  byId("table").replaceChildren(filters, grid, nothing);
}

/** Reads the filter from the address and shows what it lets pass. */
function applyFilter() {
  const { buttons, search, filters, heads, grid, viewport, nothing, clear } = table.parts;
  const filter = readFilter(fragment());
  table.filter = filter;
  table.rows = select(filter);
  table.here = 0;
  for (const button of buttons) button.setAttribute("aria-pressed", filter.severities.has(button.dataset.severity));
  for (const list of filters.querySelectorAll("select")) list.value = filter[list.dataset.filter];
  if (document.activeElement !== search) search.value = filter.text;
  for (const head of heads) {
    head.removeAttribute("aria-sort");
    if (head.dataset.column === filter.column) head.setAttribute("aria-sort", filter.down ? "descending" : "ascending");
  }
  const all = data.findings.rule.length;
  const isWhole = table.rows.length === all;
  clear.disabled = isWhole && addressOf(filter) === "#findings";
  const beyond = data.total > all ? `; the page holds the ${number(all)} worst of ${number(data.total)}` : "";
  byId("shown").textContent = (isWhole ? `${number(all)} in all` : `${number(table.rows.length)} of ${number(all)}`) + beyond;
  nothing.hidden = table.rows.length > 0;
  nothing.textContent = all ? "Nothing matches these filters." : "There are none.";
  grid.hidden = !table.rows.length;
  grid.setAttribute("aria-rowcount", table.rows.length + 1);
  viewport.scrollTop = 0;
  draw();
}

const rowHeight = () => parseFloat(getComputedStyle(document.documentElement).getPropertyValue("--row")) || 44;

/** Draws the rows that can be seen, and a few around them. */
function draw() {
  const { viewport, sizer, grid } = table.parts;
  const height = rowHeight();
  const whole = table.rows.length * height;
  sizer.style.height = `${whole}px`;
  viewport.style.height = `min(${whole}px, 66vh, 720px)`;
  const from = Math.max(0, Math.floor(viewport.scrollTop / height) - 6);
  const to = Math.min(table.rows.length, Math.ceil((viewport.scrollTop + viewport.clientHeight) / height) + 6);
  const lines = [];
  for (let place = from; place < to; place++) lines.push(line(place, height));
  sizer.replaceChildren(...lines);
  grid.setAttribute("aria-activedescendant", `row-${table.here}`);
}

function line(place, height) {
  const row = table.rows[place];
  const one = finding(row);
  const under = [one.subject.name === one.subject.id ? "" : one.subject.kind, one.part && short(one.part, 36)].filter(Boolean).join(" · ");
  const cell = (name, ...children) => node("div", { class: name, role: "gridcell" }, children);
  const element = node("div", {
    class: `line${place === table.here ? " here" : ""}${one.state.state === "waived" ? " waived" : ""}`,
    role: "row", id: `row-${place}`, "aria-rowindex": place + 2, "aria-selected": place === table.here,
    click: () => { table.here = place; draw(); openDetail(row); },
  },
  cell("severity-cell", badge(one.severity)), cell("rule mono", one.rule.id),
  cell("object", node("span", {}, isolated(short(one.subject.name, 200))), node("small", {}, isolated(under))),
  cell("message", isolated(short(one.message, 300))),
  cell("state", one.state.state, one.state.day ? node("small", {}, one.state.day) : null));
  element.style.top = `${place * height}px`;
  return element;
}

/** Moves through the rows; Enter opens one. */
function gridKeys(event) {
  if (event.target !== table.parts.grid) return;
  const page = Math.max(1, Math.floor(table.parts.viewport.clientHeight / rowHeight()) - 1);
  const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
  if (event.key === "Enter" || event.key === " ") {
    event.preventDefault();
    if (table.rows.length) openDetail(table.rows[table.here]);
  } else if (event.key in steps) {
    event.preventDefault();
    table.here = Math.min(table.rows.length - 1, Math.max(0, table.here + steps[event.key]));
    const { viewport } = table.parts;
    const top = table.here * rowHeight();
    if (top < viewport.scrollTop) viewport.scrollTop = top;
    else if (top + rowHeight() > viewport.scrollTop + viewport.clientHeight) viewport.scrollTop = top + rowHeight() - viewport.clientHeight;
    draw();
  }
}

/** A cell that a spreadsheet takes for text: it would run `=…` as a formula, and names come from anybody. */
function csvCell(text) {
  const guarded = /^[\s]*[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\n\r;]/.test(guarded) ? `"${guarded.replaceAll('"', '""')}"` : guarded;
}

/** The rows of the filter as CSV. */
function csvOf(rows) {
  const lines = ["severity,rule,title,kind,name,id,app_id,part,finding,state,owner,until,what_to_do"];
  for (const row of rows) {
    const one = finding(row);
    const { kind, name, id, app } = one.subject;
    lines.push([one.severity, one.rule.id, one.rule.title, kind, name, id, app, one.part, one.message, one.state.state, one.state.owner ?? "", one.state.day ?? "", one.fix].map(csvCell).join(","));
  }
  return `${lines.join("\r\n")}\r\n`;
}

function saveCsv() {
  download("kvops-findings.csv", "text/csv;charset=utf-8", csvOf(table.rows));
}

/** For paper: the first rows of the filter, by rule, since a table that shows what can be seen prints little. */
function printFindings() {
  const rows = [...table.rows.subarray(0, PRINTED)];
  const byRule = new Map();
  for (const row of rows) {
    const one = finding(row);
    byRule.set(one.rule, [...(byRule.get(one.rule) ?? []), one]);
  }
  const sections = [...byRule].map(([rule, found]) => [
    node("h3", {}, `${rule.id} ${rule.title} (${number(found.length)})`),
    node("ul", {}, found.map((one) => node("li", {}, badge(one.severity), " ", node("b", {}, isolated(short(one.subject.name, 120))), ` ${one.part} `, isolated(one.message),
      one.state.state === "waived" ? ` (waived until ${one.state.day})` : ""))),
  ]);
  const note = table.rows.length > PRINTED ? node("p", {}, `The first ${number(PRINTED)} of ${number(table.rows.length)}; the JSON and CSV reports have all.`) : null;
  byId("printed").replaceChildren(...[note, ...sections.flat()].filter(Boolean));
}
