// The HTML report in a real browser.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { start, stop, within } from "./browser.mjs";

before(start);
after(stop);

const PAGES = ["tenant.html", "clean.html", "large.html", "long.html"];
const line = (page, number = 0) => page.locator(".sizer .line").nth(number);
const shown = (page) => page.locator("#shown").textContent();

for (const name of PAGES) {
  for (const width of [1280, 400]) {
    for (const colorScheme of ["light", "dark"]) {
      test(`${name} opens at ${width} pixels in ${colorScheme} without a word, a request or a bar below`, () =>
        within(name, { colorScheme, viewport: { width, height: 900 } }, async (page) => {
          await page.waitForSelector("#table:not([hidden])");
          const beyond = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
          assert.equal(beyond, 0, "nothing is wider than the window");
          const folder = process.env.KVOPS_PICTURES;
          if (folder) await page.screenshot({ path: `${folder}/${name.replace(".html", "")}-${width}-${colorScheme}.png`, fullPage: true });
          // The picture of the documents.
          if (folder && name === "tenant.html" && width === 1280 && colorScheme === "light") await page.screenshot({ path: `${folder}/report.png`, fullPage: true, clip: { x: 0, y: 0, width, height: 1130 } });
        }));
    }
  }
}

test("coverage is above everything else, and an incomplete one does not look clean", async () => {
  await within("tenant.html", {}, async (page) => {
    const tops = await page.evaluate(() => [".coverage", ".verdict", ".tiles", ".charts", "#ranking", "#table"].map((one) => document.querySelector(one).getBoundingClientRect().top));
    assert.deepEqual(tops, [...tops].sort((a, b) => a - b));
    assert.match(await page.locator(".coverage").textContent(), /the audit is incomplete/);
    assert.equal(await page.locator(".clean").count(), 0);
    assert.match(await page.locator("#unknown").textContent(), /grant AuditLog\.Read\.All/);
  });
  await within("clean.html", {}, async (page) => assert.equal(await page.locator(".clean").count(), 1));
});

test("hostile names are shown as text and do nothing", () =>
  within("tenant.html", {}, async (page) => {
    assert.ok(await page.getByText("<script>alert('kvops')</script>", { exact: true }).first().isVisible());
    assert.ok(await page.getByText("payroll\\u{202e}gpj.exe").first().isVisible());
    assert.equal(await page.locator("img").count(), 0);
  }));

test("the page cannot be given markup, nor another script", () =>
  within("tenant.html", { expected: /policy: |TrustedHTML|TrustedScript|Content Security Policy/ }, async (page) => {
    const taken = await page.evaluate(() => {
      const attempts = {
        markup: () => { document.body.innerHTML = "x"; },
        writing: () => document.write("x"),
        script: () => { document.createElement("script").textContent = "window.taken = true"; },
        handler: () => { document.body.setAttribute("onclick", "window.taken = true"); document.body.click(); },
        style: () => { const style = document.createElement("style"); style.textContent = "body { display: none }"; document.head.append(style); if (getComputedStyle(document.body).display !== "none") throw Error(); },
      };
      return Object.entries(attempts).filter(([, attempt]) => { try { attempt(); return true; } catch { return false; } }).map(([name]) => name).concat(window.taken ? "it ran" : []);
    });
    assert.deepEqual(taken.filter((name) => name !== "handler"), []);
  }));

test("severities, rule, state and text filter together, stand in the address, and survive a reload", () =>
  within("large.html", {}, async (page) => {
    await page.locator(".filters button", { hasText: "high" }).click();
    await page.locator(".filters button", { hasText: "low" }).click();
    await page.getByLabel("All states").selectOption("waived");
    await page.getByLabel("Search findings").fill("CRM 00000001");
    await page.waitForFunction(() => location.hash.includes("q=CRM"));
    assert.equal(new URL(page.url()).hash, "#sev=high%2Clow&state=waived&q=CRM+00000001");
    const said = await shown(page);
    assert.match(said, /^[\d,]+ of 100,000$/);
    assert.match(await line(page).textContent(), /crm\\u\{202e\}fdp/);
    await page.reload();
    assert.equal(await shown(page), said);
    await page.getByRole("button", { name: "Clear" }).click();
    assert.equal(await shown(page), "100,000 in all");
    await page.goBack();
    assert.equal(await shown(page), said, "the way back leads to the filter");
  }));

test("each column sorts both ways", () =>
  within("large.html", {}, async (page) => {
    for (const [head, column, cell] of [["Rule", "rule", ".rule"], ["Object", "object", ".object span"], ["Finding", "message", ".message"], ["State", "state", ".state"]]) {
      const button = page.locator(".heads button", { hasText: head });
      const first = async () => (await line(page).locator(cell).first().textContent()).toLowerCase();
      await button.click();
      await page.waitForSelector(`[data-column=${column}][aria-sort=ascending]`);
      const up = await first();
      await button.click();
      await page.waitForSelector("[aria-sort=descending]");
      assert.ok((await first()) >= up, head);
    }
  }));

test("a hundred thousand findings are filtered, sorted and scrolled without a wait", () =>
  within("large.html", {}, async (page) => {
    const times = await page.evaluate(async () => {
      const painted = () => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
      const measure = async (act) => { const from = performance.now(); act(); await painted(); return Math.round(performance.now() - from); };
      const at = (hash) => () => { history.replaceState(null, "", hash); applyFilter(); };
      const result = {};
      for (const [name, hash] of [["severity", "#sev=high"], ["text", "#q=erp"], ["words", "#q=secret+portal+0042"], ["sort by object", "#sort=object"], ["again", "#sort=-object"], ["sort by finding", "#sort=message"]]) result[name] = await measure(at(hash));
      result["scroll to the end"] = await measure(() => { document.querySelector(".viewport").scrollTop = 1e9; });
      const start = performance.getEntriesByType("navigation")[0];
      return { ...result, load: Math.round(start.domContentLoadedEventEnd) };
    });
    console.log(JSON.stringify(times));
    const { load, ...rest } = times;
    for (const [name, time] of Object.entries(rest)) assert.ok(time < 1000, `${name}: ${time} ms`);
    assert.ok(load < 5000, `${load} ms to open`);
    const count = await page.locator(".sizer .line").count();
    assert.ok(count < 60, `${count} rows are in the page`);
    assert.equal(await page.locator(".sizer .line").last().getAttribute("aria-rowindex"), "100001");
  }));

test("everything can be reached with the keys alone", () =>
  within("large.html", {}, async (page) => {
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate(() => document.activeElement.textContent), "Skip to the findings");
    await page.keyboard.press("/");
    await page.keyboard.type("mailer");
    await page.waitForFunction(() => location.hash === "#q=mailer");
    await page.keyboard.press("Escape");
    const here = () => page.evaluate(() => document.getElementById(document.activeElement.getAttribute("aria-activedescendant")).getAttribute("aria-rowindex"));
    assert.equal(await here(), "2");
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("ArrowDown");
    assert.equal(await here(), "4");
    await page.keyboard.press("End");
    assert.ok(Number(await here()) > 10000);
    assert.ok(await page.locator(".line.here").isVisible());
    await page.keyboard.press("Home");
    await page.keyboard.press("PageDown");
    assert.ok(Number(await here()) > 5);
    await page.keyboard.press("Enter");
    assert.ok(await page.locator("#detail").isVisible());
    assert.match(await page.locator("#detail").textContent(), /What to do/);
    await page.keyboard.press("Escape");
    assert.ok(!(await page.locator("#detail").isVisible()));
    assert.equal(await page.evaluate(() => document.activeElement.getAttribute("role")), "grid", "the focus is where it was");
  }));

test("an application opens with the way to its keys, and the way back leads to where one was", () =>
  within("tenant.html", {}, async (page) => {
    const link = page.locator("#ranking a", { hasText: "hr-export" });
    await link.scrollIntoViewIfNeeded();
    const scrolled = await page.evaluate(() => scrollY);
    await link.click();
    assert.equal(await page.locator("#application h1").textContent(), "hr-export");
    assert.equal(await page.evaluate(() => document.activeElement.tagName), "H1");
    const chain = await page.locator(".chain").first().textContent();
    for (const piece of ["Exportable", "contoso-prod-kv/hr-export", "5 can sign", "2 can read the key out"]) assert.ok(chain.includes(piece), piece);
    assert.ok(await page.locator(".timeline rect").count() >= 2);
    await page.keyboard.press("Escape");
    assert.ok(await page.locator("#report").isVisible());
    assert.equal(await page.evaluate(() => scrollY), scrolled);
    assert.equal(await page.evaluate(() => document.activeElement.textContent), "hr-export");
    await page.goBack();
    assert.ok(await page.locator("#application").isVisible());
    await page.goto(page.url().replace(/#.*/, "#app=nobody"));
    assert.match(await page.locator("#application").textContent(), /holds nothing about it/);
  }));

test("the CSV holds the rows of the filter, and no cell that a spreadsheet would run", () =>
  within("large.html#sev=critical&q=%3D1%2B1", {}, async (page) => {
    const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "CSV" }).click()]);
    assert.equal(download.suggestedFilename(), "kvops-findings.csv");
    const lines = (await readFile(await download.path(), "utf8")).trimEnd().split("\r\n");
    const rows = Number((await shown(page)).split(" ")[0].replace(",", ""));
    assert.equal(lines.length, rows + 1);
    assert.ok(rows > 100);
    for (const one of lines) assert.doesNotMatch(one, /(^|,)"?[=+\-@]/);
    assert.match(lines[1], /,'=1\+1-\d+,/);
  }));

test("a name of ten megabytes is cut in the table, and longer on demand", () =>
  within("long.html#q=WWWW", {}, async (page) => {
    assert.ok((await line(page).locator(".object span").textContent()).length < 210);
    await line(page).click();
    const name = await page.locator("#detail .long").first().textContent();
    assert.ok(name.length > 4000 && name.includes("10,000,025 characters in all"), `${name.length}`);
  }));

test("without scripts the header, the coverage, the numbers and the worst findings are there", () =>
  within("large.html", { javaScriptEnabled: false }, async (page) => {
    assert.ok(await page.locator(".coverage").isVisible());
    assert.ok(await page.locator(".tiles").isVisible());
    assert.equal(await page.locator("#findings tbody tr").count(), 200);
    assert.ok(!(await page.locator("#theme").isVisible()), "no button that does nothing");
  }));

test("on paper the findings are grouped, cut with a word about it, and the tools are gone", () =>
  within("large.html", {}, async (page) => {
    await page.emulateMedia({ media: "print" });
    await page.evaluate(() => dispatchEvent(new Event("beforeprint")));
    assert.equal(await page.locator("#printed li").count(), 500);
    assert.match(await page.locator("#printed").textContent(), /The first 500 of 100,000/);
    assert.ok(!(await page.locator("#table").isVisible()) && !(await page.locator(".filters").isVisible()));
    if (process.env.KVOPS_PICTURES) await page.pdf({ path: `${process.env.KVOPS_PICTURES}/large.pdf`, format: "A4" });
    await page.evaluate(() => dispatchEvent(new Event("afterprint")));
    assert.equal(await page.locator("#printed li").count(), 0);
  }));

test("the colours follow the system until somebody chooses", () =>
  within("tenant.html", { colorScheme: "dark" }, async (page) => {
    const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const dark = await ground();
    await page.locator("#theme").click();
    assert.notEqual(await ground(), dark);
    await page.locator("#theme").click();
    assert.equal(await ground(), dark);
    assert.equal(await page.locator("#theme").textContent(), "Dark");
  }));

test("nothing glides for those who asked for rest", () =>
  within("tenant.html", { reducedMotion: "reduce" }, async (page) =>
    assert.equal(await page.evaluate(() => getComputedStyle(document.documentElement).scrollBehavior), "auto")));

for (const colorScheme of ["light", "dark"]) {
  test(`every text can be read against its ground in ${colorScheme}`, () =>
    within("tenant.html", { colorScheme }, async (page) => {
      const weak = await page.evaluate(() => {
        const channels = (text) => text.match(/[\d.]+/g).map(Number);
        const luminance = ([r, g, b]) => [r, g, b].map((c) => c / 255).map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)).reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
        const ground = (element) => { for (let one = element; one; one = one.parentElement) { const color = channels(getComputedStyle(one).backgroundColor); if (color.length < 4 || color[3] > 0) return color; } return [255, 255, 255]; };
        const found = new Set();
        for (const element of document.querySelectorAll("main#report *:not(svg *)")) {
          const text = [...element.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim());
          if (!text || !element.checkVisibility() || element.disabled) continue;
          const [one, two] = [luminance(channels(getComputedStyle(element).color)), luminance(ground(element))];
          const ratio = (Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05);
          if (ratio < 4.5) found.add(`${element.tagName}.${element.className} ${ratio.toFixed(1)}`);
        }
        return [...found];
      });
      assert.deepEqual(weak, []);
    }));
}
