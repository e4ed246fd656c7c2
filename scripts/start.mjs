/**
 * `npm start`: a primary and its mirror on this machine, until Ctrl-C.
 *
 * - A taken port is one line and a non-zero exit, and nothing is left running.
 * - Ctrl-C and SIGTERM stop both, the primary first, so that the mirror gets its last consistency point.
 * - The pair has a secret of its own, `secret` in its data folder.
 * - When one of them ends by itself, the other is stopped and the exit is not zero.
 */
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { bun, installMissing, root } from './install.mjs'

const readyMsMax = 60_000
const stopMsMax = 60_000

const help = `USAGE
  npm start -- [--port PORT] [--mirror-port PORT] [--data DIR]

A primary and its mirror on this machine, until Ctrl-C

FLAGS
  --port PORT             Port of the primary (default 7070)
  --mirror-port PORT      Port of the mirror (default 7071)
  --data DIR              Folder of both volumes (default data)
  -h, --help              Say this
`

const values = givenFlags()

function givenFlags() {
  try {
    const given = parseArgs({
      options: {
        port: { type: 'string', default: '7070' },
        'mirror-port': { type: 'string', default: '7071' },
        data: { type: 'string', default: join(root, 'data') },
        help: { type: 'boolean', short: 'h' },
      },
    }).values
    if (given.help) {
      console.log(help.trimEnd())
      process.exit(0)
    }
    for (const port of [given.port, given['mirror-port']])
      if (!/^\d{1,5}$/.test(port) || Number(port) < 1 || Number(port) > 65_535)
        throw new Error(`a port is 1 to 65535, and not '${port}'`)
    if (Number(given.port) === Number(given['mirror-port'])) throw new Error('both cannot have the same port')
    return given
  } catch (error) {
    // Node goes on with what else one could have meant.
    console.error(`npm start: ${error.message.split('. ')[0]} (npm start -- --help)`)
    process.exit(2)
  }
}
const primaryAddress = `127.0.0.1:${values.port}`
const mirrorAddress = `127.0.0.1:${values['mirror-port']}`

/** Started servers that have not ended, in the order in which they are to be stopped. */
const running = []
let stopping = false

async function main() {
  const problem = installMissing('installing the packages, once: this takes up to a minute')
  if (problem) return fail(problem)
  for (const port of [values.port, values['mirror-port']]) {
    const taken = await portProblem(Number(port))
    if (taken) return fail(taken)
  }
  if (!existsSync(values.data)) console.log(`making two volumes in ${values.data}`)
  const secret = ['--secret-file', ownSecret(values.data)]
  const mirrorArgs = ['mirror', '--data', join(values.data, 'mirror'), '--listen', mirrorAddress, ...secret]
  const primaryArgs = ['serve', '--data', join(values.data, 'primary'), '--listen', primaryAddress, ...secret]
  const mirrorReady = startServer('mirror', mirrorArgs)
  const primaryReady = startServer('primary', [...primaryArgs, '--mirror', `http://${mirrorAddress}`])
  await Promise.all([mirrorReady, primaryReady])
  if (stopping) return
  console.log(`primary  http://${primaryAddress}`)
  console.log(`mirror   http://${mirrorAddress}`)
  console.log('Try:')
  console.log(
    `  curl -T package.json "http://${primaryAddress}/v1/files/docs/package.json?durability=mirrored"`,
  )
  console.log(`  curl http://${mirrorAddress}/v1/files/docs/package.json`)
  console.log(`  curl http://${mirrorAddress}/v1/dirs/docs`)
}

/** The secret of this pair, made at the first start: nobody else on this machine speaks as one of the two. */
function ownSecret(folder) {
  const path = join(folder, 'secret')
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  if (existsSync(path)) return path
  // A name of its own until the file is whole: an end in between leaves no half of a secret.
  const made = `${path}.${process.pid}`
  rmSync(made, { force: true })
  writeFileSync(made, `${randomBytes(32).toString('base64url')}\n`, { flag: 'wx', mode: 0o600, flush: true })
  renameSync(made, path)
  return path
}

/** Resolves when the server says that it serves, or when it has ended. */
function startServer(name, args) {
  // A group of its own: a terminal's Ctrl-C must reach this process alone, which knows the order.
  // --no-orphans: a server never outlives this process.
  const child = spawn(bun, ['--no-orphans', join(root, 'src/cli/main.ts'), ...args], {
    cwd: root,
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const server = { name, child, ended: null, over: false, clean: false }
  if (name === 'primary') running.unshift(server)
  else running.push(server)
  return new Promise((resolve) => {
    const late = setTimeout(() => {
      stop(`the ${name} was not ready in ${readyMsMax / 1000} s`).catch(fail)
      resolve()
    }, readyMsMax)
    server.ended = new Promise((ended) => {
      const end = (how) => {
        if (server.over) return
        server.over = true
        clearTimeout(late)
        running.splice(running.indexOf(server), 1)
        server.clean = how === 0
        ended()
        resolve()
        if (stopping) return
        const cause = typeof how === 'number' ? ` with exit code ${how}` : `: ${how}`
        stop(`the ${name} ended${cause}`).catch(fail)
      }
      child.once('error', (error) => end(error.message))
      child.once('exit', (code, signal) => end(code ?? signal))
    })
    let text = ''
    let ready = false
    child.stdout.on('data', (chunk) => {
      if (ready) return
      text += chunk
      if (!/^ready /m.test(text)) return
      ready = true
      clearTimeout(late)
      resolve()
    })
  })
}

/** Stops what runs, one after the other, and ends this process; with a problem it is said and the exit is 1. */
async function stop(problem = null) {
  if (stopping) return
  stopping = true
  if (problem) console.error(problem)
  let clean = problem === null
  for (const server of running.slice()) {
    server.child.kill('SIGTERM')
    const late = setTimeout(() => server.child.kill('SIGKILL'), stopMsMax)
    await server.ended
    clearTimeout(late)
    clean &&= server.clean
  }
  process.exit(clean ? 0 : 1)
}

function portProblem(port) {
  return new Promise((resolve) => {
    const probe = createServer()
    probe.once('error', (error) =>
      resolve(error.code === 'EADDRINUSE' ? `port ${port} is in use` : `port ${port}: ${error.message}`),
    )
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(null)))
  })
}

function fail(problem) {
  console.error(problem)
  process.exit(1)
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    // A second one does not wait any longer.
    if (stopping) for (const server of running) server.child.kill('SIGKILL')
    stop().catch(fail)
  })
}
await main()
