// The riskiest applications, the page of one of them, and the sheet of one finding.

const RANKED_AT_FIRST = 10;
const CUSTODY = {
  hsm: "HSM", nonexportable: "Non-exportable", indeterminate: "Indeterminate", unverified: "Unverified", foreign: "Foreign",
  imported: "Imported", exportable: "Exportable", secret: "Secret", federated: "Federated", saml: "SAML",
};
const holder = (credential) => credential.custody ?? credential.kind;
const chip = (name) => node("span", { class: `chip c-${name}` }, dot(), CUSTODY[name] ?? name);
const addressOfSubject = ([, id, app]) => `#app=${encodeURIComponent(app || id)}`;

/** The findings of each subject, by its number. */
const rowsOf = (() => {
  let known = null;
  return (subject) => {
    if (!known) {
      known = new Map();
      data.findings.subject.forEach((one, row) => (known.get(one) ?? known.set(one, []).get(one)).push(row));
    }
    return known.get(subject) ?? [];
  };
})();

/** The numbers of all subjects that belong to an application: it, its service principal, its certificates. */
function subjectsOf(id, ranked) {
  const certificates = new Set((ranked?.certificates ?? []).map((one) => `${one.vault}/${one.name}`));
  const found = [];
  data.subjects.forEach(([kind, own, app], index) => {
    if (app === id || own === id || (kind === "certificate" && certificates.has(own))) found.push(index);
  });
  return found;
}

function tally(rows) {
  const counts = SEVERITIES.map(() => 0);
  for (const row of rows) if (data.states[data.findings.state[row]].state !== "waived") counts[data.findings.severity[row]]++;
  const parts = SEVERITIES.flatMap((name, index) => (counts[index] ? [node("b", { class: name, title: name }, `${number(counts[index])} ${name}`)] : []));
  return node("span", { class: "tally" }, parts.length ? parts : "none");
}

function buildRanking(count = RANKED_AT_FIRST) {
  const place = byId("ranking");
  if (!data.ranked.length) {
    place.replaceChildren(node("p", { class: "empty" }, "No application holds a credential or a right."));
    return;
  }
  const worst = data.ranked[0].score;
  const rows = data.ranked.slice(0, count).map((one, index) => {
    const subject = data.subjects[one.subject];
    const meter = node("span", { class: "meter" }, node("i"));
    meter.firstChild.style.width = `${Math.max(2, (one.score * 100) / worst)}%`;
    const active = one.credentials.filter((credential) => credential.active && credential.kind !== "saml");
    const next = active.map((credential) => credential.end).filter((end) => end !== null).sort((a, b) => a - b)[0];
    return node("tr", {},
      node("td", { class: "number quiet wide" }, String(index + 1)),
      node("td", {}, node("a", { class: "name", href: addressOfSubject(subject) }, isolated(short(subject[3] || subject[1], 160))),
        subject[0] === "application" ? null : node("span", { class: "quiet" }, subject[0])),
      node("td", { class: "score" }, meter, String(one.score)),
      node("td", {}, [...new Set(active.map(holder))].map(chip)),
      node("td", { class: "wide" }, next === undefined ? node("span", { class: "quiet" }, "–") : distance(next)),
      node("td", { class: "wide" }, tally(subjectsOf(subject[2] || subject[1], one).flatMap(rowsOf))));
  });
  const heads = [["#", "number wide"], ["Application"], ["Score"], ["Signs in with"], ["Next end", "wide"], ["Findings", "wide"]];
  const listed = node("div", { class: "scroll" }, node("table", { class: "ranks" },
    node("thead", {}, node("tr", {}, heads.map(([text, name]) => node("th", { class: name }, text)))), node("tbody", {}, rows)));
  const left = data.ranked.length - rows.length;
  const beyond = data.unranked ? `; ${number(data.unranked)} more rank lower` : "";
  const more = left > 0
    ? node("p", { class: "more" }, node("button", { type: "button", click: () => buildRanking(count + 50) }, left <= 50 ? `Show the other ${number(left)}` : `Show 50 more of ${number(left)}`), beyond)
    : data.unranked ? node("p", { class: "more quiet" }, `${number(data.unranked)} more rank lower.`) : "";
  place.replaceChildren(listed, ...[more].filter(Boolean));
}

/** The page of one application: who it is, the way to its keys, its history, its findings. */
function buildApplication(id) {
  const index = data.subjects.findIndex(([, own, app]) => app === id || own === id);
  const place = byId("application");
  const back = node("p", { class: "back" }, node("a", { href: "#applications", id: "back" }, "← Back to the report"));
  if (index < 0) {
    place.replaceChildren(back, node("h1", { tabindex: "-1" }, "Unknown application"), node("p", { class: "empty" }, "This report holds nothing about it."));
    return;
  }
  const ranked = data.ranked.find((one) => { const [, own, app] = data.subjects[one.subject]; return app === id || own === id; });
  const [kind, own, app, name] = data.subjects[ranked?.subject ?? index];
  const rows = [...new Set(subjectsOf(id, ranked).flatMap(rowsOf))].sort((one, two) => one - two);
  const parts = [back, node("h1", { tabindex: "-1", class: name.length > 300 ? "long" : null }, isolated(name || own)),
    node("p", { class: "ids" }, node("span", {}, kind), app ? node("span", { class: "mono" }, `appId ${app}`) : null, node("span", { class: "mono" }, `id ${own}`))];
  if (ranked) {
    parts.push(node("section", {}, node("div", { class: "title" }, node("h2", {}, "The way to its keys"),
      node("p", { class: "quiet" }, "Application → credential → where the key is → who can use it")), chains(ranked, name || own)));
    parts.push(node("div", { class: "pair" },
      node("div", { class: "card" }, node("h3", {}, `Score ${ranked.score}`), node("ul", { class: "points" }, ranked.points.map((one) => node("li", {}, node("b", {}, String(one.points)), one.why)))),
      node("div", { class: "card" }, node("h3", {}, "Credentials and versions over time"), timeline(ranked),
        node("p", { class: "quiet" }, node("span", { class: "key span-key" }, "certificate"), node("span", { class: "key span-secret" }, "secret"), node("span", { class: "key span-version" }, "version in a vault"), "paler: no longer in use"))));
  } else {
    parts.push(node("p", { class: "empty" }, `Ways and histories are drawn for the ${number(data.ranked.length)} riskiest; kvops audit --app ${app || own} draws this one.`));
  }
  const open = (row) => openDetail(row);
  parts.push(node("section", {}, node("div", { class: "title" }, node("h2", {}, "Findings"), node("p", { class: "quiet" }, `${number(rows.length)} about it, its service principal and its certificates`)),
    rows.length ? node("div", { class: "scroll" }, node("ul", { class: "list" }, rows.slice(0, 200).map((row) => {
      const one = finding(row);
      return node("li", {}, node("span", {}, badge(one.severity)), node("span", { class: "mono" }, one.rule.id),
        node("div", {}, node("button", { type: "button", class: "link", click: () => open(row) }, isolated(one.message)),
          node("div", { class: "quiet" }, one.subject.kind === "application" ? null : `${one.subject.kind} ${one.subject.id} `, isolated(one.part))),
        node("div", { class: "fix" }, node("code", {}, one.fix)));
    }))) : node("p", { class: "empty" }, "None.")));
  place.replaceChildren(...parts);
}

/** One line for each credential, the working ones first. */
function chains(ranked, name) {
  const order = (one) => (one.active ? 0 : 2) + (one.kind === "saml" ? 1 : 0);
  const lines = [...ranked.credentials].sort((one, two) => order(one) - order(two)).map((credential) => {
    const labels = { certificate: "Certificate", secret: "Client secret", saml: "Part of SAML", federated: "Federated credential" };
    const who = holder(credential);
    const first = node("li", {}, node("span", { class: "over" }, "Application"), node("strong", {}, isolated(short(name, 60))));
    const second = node("li", { class: `c-${who}` }, node("span", { class: "over" }, labels[credential.kind]),
      node("strong", {}, isolated(short(credential.name || credential.id, 60))), chip(who),
      node("div", { class: "quiet mono" }, short(credential.id, 36)),
      node("div", {}, credential.kind === "federated" ? "" : `${distance(credential.end)}${credential.end === null ? "" : ` (${date(credential.end)})`}`));
    return node("ol", { class: `chain${credential.active ? "" : " past"}` }, first, second, whereabouts(credential, ranked, who), holders(credential, ranked, who));
  });
  if (!lines.length) return node("p", { class: "empty" }, "It has no credential.");
  if (ranked.left) lines.push(node("p", { class: "quiet" }, `and ${number(ranked.left)} more`));
  return node("div", {}, lines);
}

/** Where the key of a credential is. */
function whereabouts(credential, ranked, who) {
  const over = node("span", { class: "over" }, "Where the key is");
  const why = node("div", { class: "quiet" }, isolated(credential.why));
  if (!credential.held.length) {
    const title = { secret: "Wherever it was copied to", federated: "With the other issuer", saml: "In the directory" }[credential.kind] ?? (who === "foreign" ? "In no vault" : "Not known");
    return node("li", { class: `c-${who}` }, over, node("strong", {}, title), why);
  }
  const places = credential.held.map((held) => {
    const [vault, name, version] = held.path.split("/");
    return node("li", { title: held.path }, node("strong", {}, `${vault}/${name}`), version ? node("span", { class: "quiet mono" }, `version ${short(version)}`) : null,
      held.proven ? null : node("span", { class: "quiet" }, " by its label only, which proves nothing"),
      held.other ? node("span", { class: "quiet" }, " as the same key in another certificate") : null,
      held.deleted ? node("span", { class: "quiet" }, " deleted, can be recovered") : null);
  });
  return node("li", { class: `c-${who}` }, over, node("ul", {}, places), why);
}

/** Who can sign with the key, or read it out of the vault. */
function holders(credential, ranked, who) {
  const over = node("span", { class: "over" }, "Who can use it");
  const titles = { secret: "Whoever has read it", federated: "Whoever runs there", saml: "Nobody signs in with it" };
  const known = [...new Set(credential.held.map((held) => held.certificate))].filter((index) => index !== null).map((index) => ranked.certificates[index]);
  if (credential.kind !== "certificate" || !known.length) {
    const title = titles[credential.kind] ?? (who === "foreign" ? "Whoever holds the file" : "Not known");
    return node("li", { class: `c-${who}` }, over, node("strong", {}, title));
  }
  const parts = known.flatMap((certificate) => [
    ...hands(certificate.signers, "can sign"),
    ...(["hsm", "nonexportable"].includes(who) ? [node("p", { class: "quiet" }, "Nobody can read the key out of the vault.")] : hands(certificate.readers, "can read the key out")),
  ]);
  return node("li", { class: `c-${who}` }, over, parts);
}

/** Principals with one right: how many, who, and what lets them. The first are named at once. */
function hands(right, does) {
  const entries = right.hands.map(([name, kind, by, scope, isGroup, isDoubtful]) => node("li", { title: scope },
    isolated(/^[0-9a-f-]{36}$/.test(name) ? short(name) : short(name, 60)), " ",
    node("span", { class: "quiet" }, [kind === "unknown" ? "" : `${kind}, `, isolated(by), scope && ` at ${placeOf(scope)}`, isGroup ? ", through a group" : "", isDoubtful ? ", perhaps" : ""])));
  const rest = right.total - entries.length;
  if (rest > 0) entries.push(node("li", { class: "quiet" }, `and ${number(rest)} more`));
  const folded = entries.length > 4 ? node("details", {}, node("summary", {}, `${number(right.total - 3)} more`), node("ul", {}, entries.splice(3))) : null;
  const unsure = right.missing.length ? node("p", { class: "quiet" }, `Not read: ${right.missing.join(", ")}; there may be more.`) : null;
  return [node("strong", {}, right.total || !right.missing.length ? `${number(right.total)} ${does}` : `Not known who ${does}`), node("ul", {}, entries), folded, unsure];
}

/** The scope of a role, in words. */
function placeOf(scope) {
  const parts = scope.toLowerCase().split("/").filter(Boolean);
  if (!parts.length) return "the root";
  if (parts.includes("managementgroups")) return "a management group";
  if (parts.length <= 2) return "the subscription";
  if (parts.length <= 4) return "the resource group";
  const vault = parts.indexOf("vaults");
  return vault < 0 ? "a resource" : parts.length > vault + 2 ? `the ${parts[vault + 2].replace(/s$/, "")}` : "the vault";
}

/** Credentials and the versions behind them as bars over time. */
function timeline(ranked) {
  const bars = [];
  for (const one of ranked.credentials) {
    if (one.kind !== "federated") bars.push({ label: one.name || one.id, from: one.start, to: one.end, kind: one.kind === "secret" ? "secret" : "key", over: !one.active });
  }
  for (const certificate of ranked.certificates) {
    for (const version of certificate.versions) {
      bars.push({ label: `${certificate.name} ${short(version.version)}`, from: version.created, to: version.expires, kind: "version", over: !version.trusted });
    }
  }
  const dated = bars.filter((bar) => bar.from !== null).slice(0, 30);
  if (!dated.length) return node("p", { class: "quiet" }, "Nothing has a date.");
  const first = Math.max(Math.min(...dated.map((bar) => bar.from)), data.now - 3 * 365 * DAY);
  const last = Math.min(Math.max(data.now + 60 * DAY, ...dated.map((bar) => bar.to ?? data.now + 365 * DAY)), data.now + 3 * 365 * DAY);
  const at = (moment) => `${Math.min(100, Math.max(0, ((moment - first) * 100) / (last - first))).toFixed(2)}%`;
  const now = at(data.now);
  const step = 34;
  const height = dated.length * step + 22;
  const chart = shape("svg", { class: "timeline", height, role: "img", "aria-label": "Credentials and versions over time" });
  for (let year = new Date(first * 1000).getUTCFullYear() + 1; Date.UTC(year) / 1000 < last; year++) {
    const x = at(Date.UTC(year) / 1000);
    chart.append(shape("line", { class: "grid-line", x1: x, x2: x, y1: 0, y2: height - 18 }));
    if (Math.abs(parseFloat(x) - parseFloat(now)) > 12) chart.append(shape("text", { x, y: height - 4, "text-anchor": "middle" }, String(year)));
  }
  dated.forEach((bar, index) => {
    const y = index * step + 16;
    const from = at(bar.from);
    const to = at(bar.to ?? last);
    const width = `${Math.max(0.4, parseFloat(to) - parseFloat(from)).toFixed(2)}%`;
    const title = shape("title", {}, `${bar.label}: ${date(bar.from)} to ${date(bar.to)}`);
    chart.append(shape("text", { class: "label", x: 0, y: y - 4 }, `${short(bar.label, 42)} · ${distance(bar.to)}`),
      shape("rect", { class: `span ${bar.kind}${bar.over ? " over" : ""}`, x: from, width, y, height: 9, rx: 3 }, title));
  });
  chart.append(shape("line", { class: "now", x1: now, x2: now, y1: 0, y2: height - 18 }), shape("text", { x: now, y: height - 4, "text-anchor": "middle" }, "audit"));
  return chart;
}

/** The sheet of one finding. */
function openDetail(row) {
  const one = finding(row);
  const dialog = byId("detail");
  const entry = (name, ...value) => [node("dt", {}, name), node("dd", {}, value)];
  const { subject, state } = one;
  const close = node("button", { type: "button", click: () => dialog.close() }, "Close");
  const steps = one.adjustments.map(([from, to, why]) => node("p", { class: "steps" }, `${SEVERITIES[from]} → ${SEVERITIES[to]}: ${why}`));
  const owner = subject.app ? node("a", { href: `#app=${subject.app}`, click: () => dialog.close() }, "Open the application") : null;
  dialog.replaceChildren(node("div", { class: "sheet" },
    node("header", {}, node("div", {}, badge(one.severity), " ", node("span", { class: "mono" }, one.rule.id), node("h2", { id: "detail-title" }, one.rule.title || one.rule.id)), close),
    node("p", {}, isolated(one.message)), steps,
    node("dl", {}, entry("Object", node("div", { class: "long" }, isolated(subject.name)), owner), entry("Kind", subject.kind), entry("Id", node("span", { class: "mono" }, isolated(subject.id))),
      subject.app ? entry("Client id", node("span", { class: "mono" }, subject.app)) : [], one.part ? entry("Part", node("span", { class: "mono" }, isolated(one.part))) : [],
      entry("State", state.state, state.state === "waived" ? [" by ", isolated(state.owner), ` until ${state.day}: `, isolated(state.reason), state.ticket ? [" ", isolated(state.ticket)] : ""] : state.day ? ` since ${state.day}` : "")),
    one.evidence.length ? node("div", {}, node("h3", {}, "Evidence"), node("table", {}, node("tbody", {}, one.evidence.map(([kind, field, value]) =>
      node("tr", {}, node("td", { class: "quiet" }, kind), node("td", { class: "mono" }, isolated(field)), node("td", {}, isolated(value))))))) : null,
    node("div", { class: "fix" }, node("h3", {}, "What to do"), node("code", {}, one.fix), copyButton(one.fix)),
    one.rule.page ? node("details", {}, node("summary", {}, `About ${one.rule.id}`), node("div", { class: "page" }, pageOf(one.rule))) : null));
  dialog.showModal();
  dialog.scrollTop = 0;
}

/** The page of a rule: paragraphs, blocks of commands, and words in code or in bold. */
function pageOf(rule) {
  const inline = (text) => text.split(/(`[^`]+`|\*\*[^*]+\*\*)/).map((piece) =>
    piece.startsWith("`") && piece.length > 2 ? node("code", {}, piece.slice(1, -1)) : piece.startsWith("**") ? node("b", {}, piece.slice(2, -2)) : piece);
  const blocks = rule.page.split(/\n{2,}/).filter((block) => !block.startsWith("# "));
  const body = blocks.map((block) => {
    if (block.startsWith("```")) return node("pre", {}, block.replace(/^```\w*\n?/, "").replace(/\n?```\s*$/, ""));
    return node("p", {}, inline(block.replace(/^#+ /, "").replace(/\[([^\]]*)\]\([^)]*\)/g, "$1").replaceAll("\n", " ")));
  });
  const tags = [...rule.mitre, ...rule.controls];
  const links = rule.references.filter((link) => link.startsWith("https://")).map((href) => node("li", {}, node("a", { href, rel: "noreferrer noopener", target: "_blank" }, href)));
  return [...body, tags.length ? node("p", { class: "quiet" }, tags.join(" · ")) : null, links.length ? node("ul", {}, links) : null];
}
