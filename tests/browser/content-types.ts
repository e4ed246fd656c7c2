/** Files that want to run: content types, and bodies that run as far as a browser takes them for the type. */

/** The script tells where it runs, in ways of which one works wherever scripts run. */
export const scriptOf = (name: string, report: string): string =>
  `console.log('ran ${name} on ' + self.origin);fetch('${report}/ran?name=${encodeURIComponent(name)}&origin=' + encodeURIComponent(self.origin), { mode: 'no-cors' }).catch(() => {});if (self.postMessage && !self.document) postMessage('ran')`

const xsl = (script: string) =>
  `<?xml version="1.0"?><?xml-stylesheet type="text/xsl" href="#s"?><!DOCTYPE x [<!ATTLIST xsl:stylesheet id ID #REQUIRED>]><x><xsl:stylesheet id="s" version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"><xsl:template match="/"><html xmlns="http://www.w3.org/1999/xhtml"><body><script>${script}</script></body></html></xsl:template></xsl:stylesheet></x>`
const html = (script: string) => `<!doctype html><html><body><script>${script}</script></body></html>`
const xhtml = (script: string) =>
  `<html xmlns="http://www.w3.org/1999/xhtml"><body><script>//<![CDATA[\n${script}\n//]]></script></body></html>`
const svg = (script: string) =>
  `<svg xmlns="http://www.w3.org/2000/svg"><script>//<![CDATA[\n${script}\n//]]></script></svg>`
const plain = (script: string) => script
const mixed = (script: string) =>
  `--b\r\nContent-Type: text/html\r\n\r\n${html(script)}\r\n--b\r\nContent-Type: text/html\r\n\r\n${html(script)}\r\n--b--\r\n`
const pdf = (script: string) =>
  `%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R/OpenAction<</S/JavaScript/JS(${script.replace(/[()\\]/g, '\\$&')})>>>>endobj\n2 0 obj<</Type/Pages/Kids[]/Count 0>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF`

type Body = (script: string) => string

const types: readonly (readonly [string, Body])[] = [
  ['text/html', html],
  ['text/html; charset=utf-8', html],
  ['TEXT/HTML', html],
  ['text/html;charset=utf-7', html],
  ['text/html; charset="utf-8"; x=y', html],
  [' text/html', html],
  ['text/html ', html],
  ['text/plain; x=x, text/html', html],
  ['text/plain, text/html', html],
  ['text/plain;,text/html', html],
  ['image/png, text/html', html],
  ['text/plain; x="a, text/html', html],
  ['text/plain; x="a\\", text/html', html],
  ['*/*, text/html', html],
  ['text/html, */*', html],
  ['text/html;', html],
  ['application/xhtml+xml', xhtml],
  ['application/xhtml+xml; charset=utf-8', xhtml],
  ['application/xml', xhtml],
  ['text/xml', xhtml],
  ['application/xml', xsl],
  ['text/xml', xsl],
  ['text/xsl', xsl],
  ['application/xslt+xml', xsl],
  ['application/atom+xml', xhtml],
  ['application/rss+xml', xhtml],
  ['application/rdf+xml', xhtml],
  ['application/mathml+xml', xhtml],
  ['application/vnd.something+xml', xhtml],
  ['image/svg+xml', svg],
  ['image/svg+xml; charset=utf-8', svg],
  ['IMAGE/SVG+XML', svg],
  ['image/anything+xml', svg],
  ['multipart/x-mixed-replace; boundary=b', mixed],
  ['multipart/x-mixed-replace;boundary="b"', mixed],
  ['multipart/mixed; boundary=b', mixed],
  ['multipart/related; boundary=b', mixed],
  ['message/rfc822', mixed],
  ['text/javascript', plain],
  ['application/javascript', plain],
  ['application/x-javascript', plain],
  ['text/ecmascript', plain],
  ['application/ecmascript', plain],
  ['text/jscript', plain],
  ['text/livescript', plain],
  ['module', plain],
  ['application/json', plain],
  ['text/css', plain],
  ['application/manifest+json', plain],
  ['text/cache-manifest', plain],
  ['application/pdf', pdf],
  ['text/pdf', pdf],
  ['application/x-shockwave-flash', html],
  ['application/octet-stream', html],
  ['application/x-unknown', html],
  ['unknown/unknown', html],
  ['text/plain', html],
  ['text/plain', svg],
  ['image/png', html],
  ['image/gif', svg],
  ['audio/mpeg', html],
  ['video/mp4', html],
  ['text/vtt', html],
  ['font/woff2', html],
]

export interface Hostile {
  readonly name: string
  readonly type: string
  readonly body: string
}

export const hostileFiles = (report: string): readonly Hostile[] =>
  types.map(([type, body], i) => ({ name: `f${i}`, type, body: body(scriptOf(`f${i}`, report)) }))
