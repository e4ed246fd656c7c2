/** `status`: prints the state of a server in either role. The exit code is 0 only when the server is ready. */
import { buildCommand } from '@stricli/core'
import { UserError } from '../../lib/user-error.ts'
import type { Client } from '../../../sdk/src/client.ts'
import type { ConsistencyPoint, Mirror, MirrorStatus } from '../../../sdk/src/contract.ts'
import { health, mirrors as mirrorList, mirrorStatus } from '../../../sdk/src/shapes.ts'
import { type ClientFlags, clientFlags, clientFor } from '../command/common-flags.ts'
import type { CliContext } from '../command/context.ts'
import { printJson, printLine, showName } from '../command/output.ts'
import { mirrorTable } from './mirror-table.ts'

interface Status {
  readonly url: string
  readonly ready: boolean
  /** Reason why the server serves only reads. */
  readonly fenced?: string
  readonly role: 'primary' | 'mirror'
  /** The newest published CP; null when the server is not ready, as a mirror is before its first CP. */
  readonly cp: ConsistencyPoint | null
  readonly mirrors?: readonly Mirror[]
  /** Status that a mirror reports about itself. */
  readonly mirror?: MirrorStatus
}

async function status(this: CliContext, flags: ClientFlags): Promise<void> {
  const client = await clientFor(this, flags)
  const found = await ask(client)
  if (flags.json) printJson(this, found)
  else {
    printLine(this, `${found.url}  ${found.role}  ${found.ready ? 'ready' : 'not ready'}`)
    if (found.fenced !== undefined) printLine(this, `fenced: ${showName(found.fenced)}`)
    const { cp } = found
    if (cp !== null)
      printLine(
        this,
        `cp ${cp.cp}  ${showName(cp.cause)}  ${cp.committedAt}  ${cp.blocksWritten} blocks  root ${cp.rootHash}`,
      )
    if (found.mirrors !== undefined && found.mirrors.length > 0)
      this.process.stdout.write(mirrorTable(found.mirrors))
    for (const [name, value] of Object.entries(found.mirror ?? {}))
      if (value !== null)
        printLine(this, `${name}: ${showName(typeof value === 'string' ? value : JSON.stringify(value))}`)
  }
  if (!found.ready) throw new UserError(`${found.url} is not ready`)
}

async function ask({ url, administration }: Client): Promise<Status> {
  const ready = await administration.probe(health, '/readyz')
  const mirror = await administration.probe(mirrorStatus, '/v1/mirror')
  const mirrors =
    mirror.body === null ? await administration.probe(mirrorList, '/v1/mirrors') : { body: null }
  // A primary has no address with this name, and a server that is not ready says so with a code of the contract.
  const isPrimary = mirror.body === null && mirror.code === 'not-found' && mirrors.body !== null
  const isKnown = mirror.body !== null || isPrimary
  if (!isKnown || (ready.body === null && ready.code !== 'not-yet'))
    throw new UserError(`${url} is not a Stillpoint server`)
  const isReady = ready.body !== null
  const fenced = ready.body?.fenced
  return {
    url,
    ready: isReady,
    ...(fenced === undefined ? {} : { fenced }),
    role: isPrimary ? 'primary' : 'mirror',
    cp: isReady ? await administration.newestCp() : null,
    ...(mirror.body === null ? {} : { mirror: mirror.body }),
    ...(mirrors.body === null ? {} : { mirrors: mirrors.body.items }),
  }
}

export const statusCommand = buildCommand<ClientFlags, [], CliContext>({
  func: status,
  parameters: { flags: clientFlags },
  docs: { brief: 'Say what a server is doing' },
})
