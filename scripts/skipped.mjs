/** `FILE: NAME` of each skipped test of a JUnit report. */
export function skippedIn(report) {
  return [...report.matchAll(/<testcase ([^>]*[^/])>\s*<skipped/g)].map(([, attributes]) => {
    const value = (name) => unescaped(new RegExp(`(?:^| )${name}="([^"]*)"`).exec(attributes)?.[1] ?? '')
    return `${value('file')}: ${[value('classname'), value('name')].filter((text) => text !== '').join(' > ')}`
  })
}

const entities = { lt: '<', gt: '>', quot: '"', apos: "'", amp: '&' }
const unescaped = (text) =>
  text.replaceAll(/&(?:(lt|gt|quot|apos|amp)|#(\d+));/g, (_, name, code) =>
    name ? entities[name] : String.fromCodePoint(Number(code)),
  )
