// The proxy's pages in a real browser: they explain, and a token can be tried out on them. Run by
// scripts/proxy-browser inside `kvops proxy exec`. With KVOPS_PICTURES, pictures for the documents.

import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { after, before, test } from 'node:test'

const { chromium } = createRequire(`${process.env.NODE_MODULES}/`)('playwright-core')
const { KVOPS_PROXY_URL: url, KVOPS_PROXY_KEY: key, AZURE_CLIENT_ID: app, LAB_GRAPH_URL: graph, KVOPS_PICTURES: pictures } = process.env
let browser

before(async () => { browser = await chromium.launch({ executablePath: process.env.KVOPS_BROWSER, args: ['--no-sandbox'] }) })
after(() => browser.close())

/** Opens a page, and fails if anything is said, or asked of anybody but the proxy. */
async function within(path, options, body) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options })
  const page = await context.newPage()
  const noticed = []
  page.on('console', (message) => { if (message.type() === 'error') noticed.push(message.text()) })
  page.on('pageerror', (error) => noticed.push(error.message))
  page.on('request', (request) => { if (!/^(data|blob):/.test(request.url()) && !request.url().startsWith(`${url}/`)) noticed.push(request.url()) })
  await page.addInitScript(() => document.addEventListener('securitypolicyviolation', (event) => console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`)))
  await page.goto(url + path)
  await body(page)
  await context.close()
  assert.deepEqual(noticed, [])
}

for (const width of [1280, 400]) {
  for (const colorScheme of ['light', 'dark']) {
    test(`the page that explains opens at ${width} pixels in ${colorScheme}`, () =>
      within('/', { colorScheme, viewport: { width, height: 900 } }, async (page) => {
        assert.match(await page.title(), /kvops proxy/)
        assert(!(await page.content()).includes(key))
        const beyond = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
        assert.equal(beyond, 0, 'nothing is wider than the window')
        if (pictures) await page.screenshot({ path: `${pictures}/proxy-page-${width}-${colorScheme}.png`, fullPage: true })
        // The picture of the documents.
        if (pictures && width === 1280 && colorScheme === 'light') await page.screenshot({ path: `${pictures}/proxy-page.png`, clip: { x: 190, y: 0, width: 900, height: 900 } })
        await page.getByRole('link', { name: 'Try it out' }).click()
        await page.waitForSelector('.opblock')
      }))
  }
}

test('a token is tried out: authorise, execute, read the claims', () =>
  within('/swagger/index.html', {}, async (page) => {
    await page.waitForSelector('.opblock')
    assert((await page.locator('.opblock').count()) > 12)
    await page.locator('button.authorize').first().click()
    const dialog = page.locator('.auth-container', { hasText: 'X-Kvops-Key' })
    await dialog.locator('input').fill(key)
    await dialog.getByRole('button', { name: 'Apply' }).or(dialog.locator('button.authorize')).first().click()
    await page.locator('.close-modal').click()
    const operation = page.locator('.opblock', { hasText: '/metadata/identity/oauth2/token' }).first()
    await operation.locator('.opblock-summary-control').click()
    const fill = (name, value) => operation.locator(`tr[data-param-name="${name}"] input`).fill(value)
    await fill('Metadata', 'true')
    await fill('api-version', '2018-02-01')
    await fill('resource', graph)
    await fill('client_id', '')
    await operation.locator('button.execute').click()
    const answer = operation.locator('.live-responses-table .response').first()
    await answer.waitFor()
    assert.match(await answer.locator('.response-col_status').textContent(), /200/)
    const { access_token: token } = JSON.parse(await answer.locator('.highlight-code code, pre.microlight').first().textContent())
    const claims = JSON.parse(Buffer.from(token.split('.')[1], 'base64url'))
    assert.equal(claims.appid ?? claims.azp, app)
    assert.equal(claims.appidacr ?? claims.azpacr, '2')
    if (pictures) {
      // Down to the answer's token; what else could be answered is below. The key is nobody's business.
      await page.setViewportSize({ width: 1280, height: 2400 })
      await operation.evaluate((element) => element.scrollIntoView())
      await operation.locator('.curl-command').evaluate((element, key) => {
        const texts = document.createTreeWalker(element, NodeFilter.SHOW_TEXT)
        while (texts.nextNode()) texts.currentNode.data = texts.currentNode.data.replace(key, '$KVOPS_PROXY_KEY')
      }, key)
      assert(!(await operation.textContent()).includes(key))
      const [whole, body] = await Promise.all([operation.boundingBox(), answer.locator('.highlight-code').first().boundingBox()])
      const clip = { ...whole, height: body.y + body.height + 16 - whole.y }
      await page.screenshot({ path: `${pictures}/proxy-ui.png`, clip })
    }
  }))

test('without the key a try is refused, and the page says so', () =>
  within('/swagger/index.html', {}, async (page) => {
    await page.waitForSelector('.opblock')
    const refused = await page.evaluate(async () => (await fetch('/api/Token/curl')).status)
    assert.equal(refused, 401)
  }).catch((error) => {
    // The browser itself notes a refused request on its console.
    assert.match(String(error), /401 \(Unauthorized\)/)
  }))
