/**
 * Style and script of /docs. Both lie in the page itself, and the policy of the page names their sums: a browser runs this
 * script and no other one, so nothing that is stored on the server can run in the page.
 */
import { encodeUtf8 } from '../../lib/bytes.ts'
import { sha256 } from '../../lib/checksum.ts'

export const style = `
:root { color-scheme: light dark; --line: #8885; --soft: #8882; --link: #06c; }
@media (prefers-color-scheme: dark) { :root { --link: #8bf; } }
* { box-sizing: border-box; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 0; }
a { color: var(--link); text-decoration: none; }
a:hover { text-decoration: underline; }
code, pre { font: 13px/1.45 ui-monospace, monospace; }
code { background: var(--soft); padding: .1em .3em; border-radius: 3px; }
a code { background: none; padding: 0; }
pre { background: var(--soft); padding: .6rem .8rem; border-radius: 6px; overflow-x: auto; margin: .3rem 0 1rem; }
nav { position: fixed; inset: 0 auto 0 0; width: 20rem; overflow-y: auto; padding: 1rem; border-right: 1px solid var(--line); }
nav input { width: 100%; font: inherit; padding: .3rem .5rem; }
nav ul { list-style: none; margin: 0; padding: 0; }
nav li { margin: .25rem 0; line-height: 1.3; }
nav h2 { font-size: .8rem; text-transform: uppercase; letter-spacing: .05em; margin: 1.2rem 0 .3rem; opacity: .7; }
main { margin-left: 20rem; padding: 1rem 2rem 4rem; max-width: 64rem; }
section { border-top: 1px solid var(--line); margin-top: 2rem; padding-top: .5rem; }
section > h2 { font-size: 1.15rem; margin-bottom: .2rem; }
section > h2 code { background: none; padding: 0; font-size: 1rem; }
h3 { font-size: .95rem; margin: 1.2rem 0 .3rem; }
h4 { font-size: .9rem; font-weight: normal; margin: .6rem 0 .2rem; }
table { border-collapse: collapse; width: 100%; }
th { text-align: left; font-weight: normal; opacity: .7; font-size: .85rem; }
td, th { vertical-align: top; padding: .25rem .8rem .25rem 0; border-bottom: 1px solid var(--soft); }
summary { cursor: pointer; margin: .6rem 0 .3rem; }
.method { display: inline-block; min-width: 4.2em; font: bold 11px/1.6 ui-monospace, monospace; }
.get, .head { color: #284; } .put, .post, .patch { color: #b60; } .delete { color: #c33; }
[hidden], nav div:not(:has(li:not([hidden]))) { display: none; }
small { opacity: .6; font-weight: normal; margin-left: .5rem; }
table + table { margin-top: 1rem; }
@media (max-width: 50rem) { nav { position: static; width: auto; border: 0; } main { margin: 0; padding: 1rem; } }
`

/** Words that are typed hide every part without them; the lines for a shell ask this server. */
export const script = `
const box = document.getElementById('search')
const parts = [...document.querySelectorAll('[data-part]')]
const texts = new Map(parts.map((part) => [part, part.textContent.toLowerCase()]))
const links = new Map([...document.querySelectorAll('nav li')].map((item) => [item.dataset.of, item]))
const none = document.getElementById('none')
box.addEventListener('input', () => {
  const words = box.value.toLowerCase().split(/\\s+/).filter(Boolean)
  let shown = 0
  for (const part of parts) {
    part.hidden = !words.every((word) => texts.get(part).includes(word))
    links.get(part.id).hidden = part.hidden
    if (!part.hidden) shown++
  }
  none.hidden = shown > 0
  scrollTo(0, 0)
})
document.addEventListener('keydown', (event) => {
  if (event.key === '/' && document.activeElement !== box) {
    event.preventDefault()
    box.focus()
  }
})
for (const address of document.querySelectorAll('.server')) address.textContent = location.origin
box.hidden = false
`

const sumOf = (text: string): string => `'sha256-${Buffer.from(sha256(encodeUtf8(text))).toString('base64')}'`

/** For the header of the page. */
export const assetsPolicy = `style-src ${sumOf(style)}; script-src ${sumOf(script)}`
