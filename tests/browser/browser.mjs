// A browser, and a page in it of which everything is noticed that must not happen.

import assert from "node:assert/strict";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const folder = pathToFileURL(`${process.env.KVOPS_PAGES}/`);
let browser;

export async function start() {
  browser = await chromium.launch({ executablePath: process.env.KVOPS_BROWSER, args: ["--no-sandbox"] });
}

export const stop = () => browser.close();

/** Opens a page, runs `body`, and fails if anything was said, asked for or fetched, but for what is `expected`. */
export async function within(name, { expected = /$^/, ...options }, body) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, acceptDownloads: true, ...options });
  const page = await context.newPage();
  const noticed = [];
  page.on("console", (message) => noticed.push(`console ${message.type()}: ${message.text()}`));
  page.on("pageerror", (error) => noticed.push(`error: ${error.message}`));
  page.on("dialog", (dialog) => { noticed.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
  page.on("request", (request) => { if (!/^(file|data|blob):/.test(request.url())) noticed.push(`request: ${request.url()}`); });
  if (options.javaScriptEnabled !== false) {
    await page.addInitScript(() => document.addEventListener("securitypolicyviolation", (event) => console.error(`policy: ${event.violatedDirective} ${event.sourceFile}`)));
  }
  try {
    await page.goto(new URL(name, folder).href);
    const result = await body(page);
    assert.deepEqual(noticed.filter((one) => !expected.test(one)), []);
    return result;
  } finally {
    await context.close();
  }
}

