/** A project with the real scripts around a server that only says that it is ready. */
import { cpSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { tempFolder, type TempFolder } from '../blockdev/temp-folder.ts'

const root = join(import.meta.dir, '../..')

/** Serves its verb; `GET /die` ends it. Every stop is a line in the file `stops`. */
const fakeServer = `
import { appendFileSync } from 'node:fs'
const [verb = '', ...rest] = process.argv.slice(2)
const [hostname = '', port] = (rest[rest.indexOf('--listen') + 1] ?? '').split(':')
const note = (text: string) => appendFileSync(import.meta.dir + '/../../stops', verb + ' ' + text + '\\n')
const server = Bun.serve({
  hostname,
  port: Number(port),
  fetch(request) {
    if (request.url.endsWith('/die')) process.exit(70)
    return new Response(rest.join(' '))
  },
})
process.on('SIGTERM', () => {
  note('stopping')
  setTimeout(() => {
    note('stopped')
    server.stop(true)
    process.exit(0)
  }, 100)
})
// Last, as the real one does: whoever reads it may send a signal at once.
console.log('ready http://' + hostname + ':' + port + ' role=' + verb + ' cp=0')
`

export function fakeProject(): TempFolder {
  const project = tempFolder()
  for (const name of ['scripts', 'package.json', 'package-lock.json', 'bunfig.toml']) {
    cpSync(join(root, name), project.file(name), { recursive: true })
  }
  symlinkSync(join(root, 'node_modules'), project.file('node_modules'))
  mkdirSync(project.file('src/cli'), { recursive: true })
  writeFileSync(project.file('src/cli/main.ts'), fakeServer)
  return project
}

/** Free a moment ago. */
export function freePort(): number {
  const server = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: () => new Response() })
  const { port } = server
  server.stop(true).catch(() => undefined)
  return port ?? 0
}
