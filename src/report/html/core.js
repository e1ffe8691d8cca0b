"use strict";
// What the other parts of the script share. Text gets into the page as text only: `node` makes elements,
// and nothing here or elsewhere parses markup.

const data = JSON.parse(document.getElementById("data").textContent);
const SEVERITIES = ["critical", "high", "medium", "low", "info"];
const DAY = 86400;
const byId = (id) => document.getElementById(id);
const number = (value) => value.toLocaleString("en");

/** An element: `node("p", { class: "quiet" }, "text", child)`. A function is a listener for the event of its name. */
function node(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value !== undefined && value !== null && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== ""));
  return element;
}

/** The same for SVG. */
function shape(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** Text of others, in a direction of its own. */
const isolated = (text) => node("bdi", {}, text);
const badge = (severity) => node("span", { class: `severity ${severity}` }, severity);
const dot = () => node("span", { class: "dot" });
const short = (text, length = 8) => (text.length > length ? `${text.slice(0, length)}…` : text);
const date = (seconds) => (seconds === null ? "no date" : new Date(seconds * 1000).toISOString().slice(0, 10));

/** How far a moment is from the audit, not from the reader. */
function distance(seconds) {
  if (seconds === null) return "never ends";
  const days = Math.floor((seconds - data.now) / DAY);
  if (days < 0) return `ended ${number(-days)} ${days === -1 ? "day" : "days"} ago`;
  return days === 0 ? "ends today" : `ends in ${number(days)} ${days === 1 ? "day" : "days"}`;
}

const subjectOf = (row) => {
  const [kind, id, app, name] = data.subjects[data.findings.subject[row]];
  return { kind, id, app, name: name || id };
};

/** A sentence of a finding, with the ids that were taken out of it. */
function sentence(text, row) {
  if (!text.includes("\u0001")) return text;
  const subject = subjectOf(row);
  return text
    .replaceAll("\u0001p", data.findings.part[row])
    .replaceAll("\u0001a", subject.app)
    .replaceAll("\u0001i", subject.id);
}

/** What the page shows of a finding. */
function finding(row) {
  const columns = data.findings;
  const rule = data.rules[columns.rule[row]];
  const texts = (index) => sentence(data.texts[index], row);
  const facts = columns.evidence[row];
  const evidence = [];
  for (let at = 0; at < facts.length; at += 3) evidence.push([facts[at], facts[at + 1], facts[at + 2]].map(texts));
  return {
    rule,
    severity: SEVERITIES[columns.severity[row]],
    subject: subjectOf(row),
    part: columns.part[row],
    message: texts(columns.message[row]),
    fix: texts(columns.fix[row]),
    state: data.states[columns.state[row]],
    adjustments: data.adjustments[columns.adjustments[row]],
    evidence,
  };
}

/** What stands behind `#`, as `name=value` pairs; without any `=` it names a place of the page. */
const fragment = () => (location.hash.includes("=") ? new URLSearchParams(location.hash.slice(1)) : new URLSearchParams());

/** Puts text on the clipboard, and says so on the button. */
function copyButton(text) {
  const button = node("button", { type: "button" }, "Copy");
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Select it by hand";
    }
  });
  return button;
}

/** Hands a file to whoever reads the page. */
function download(name, type, text) {
  const address = URL.createObjectURL(new Blob([text], { type }));
  node("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 60000);
}
