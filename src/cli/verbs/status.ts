/** `status`: prints the state of a server in either role. The exit code is 0 only when the server is ready. */
import { buildCommand } from '@stricli/core'
import { UserError } from '../../lib/user-error.ts'
import type { Client, ListedCp, RemoteMirror } from '../../client/client.ts'
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
  readonly cp: ListedCp | null
  readonly mirrors?: readonly RemoteMirror[]
  /** Status that a mirror reports about itself. */
  readonly mirror?: Readonly<Record<string, unknown>>
}

async function status(this: CliContext, flags: ClientFlags): Promise<void> {
  const client = clientFor(this, flags)
  const found = await ask(client)
  if (flags.json) printJson(this, found)
  else {
    printLine(this, `${found.url}  ${found.role}  ${found.ready ? 'ready' : 'not ready'}`)
    if (found.fenced !== undefined) printLine(this, `fenced: ${showName(found.fenced)}`)
    const { cp } = found
    if (cp !== null)
      printLine(
        this,
        `cp ${cp.cp}  ${cp.cause}  ${cp.committedAt}  ${cp.blocksWritten} blocks  root ${cp.rootHash}`,
      )
    if (found.mirrors !== undefined && found.mirrors.length > 0)
      this.process.stdout.write(mirrorTable(found.mirrors))
    for (const [name, value] of Object.entries(found.mirror ?? {}))
      if (value !== null)
        printLine(this, `${name}: ${showName(typeof value === 'string' ? value : JSON.stringify(value))}`)
  }
  if (!found.ready) throw new UserError(`${found.url} is not ready`)
}

async function ask(client: Client): Promise<Status> {
  const ready = await client.probe('/readyz')
  const mirror = await client.probe('/v1/mirror')
  const isMirror = mirror.status === 200
  const mirrors = isMirror ? null : await client.probe('/v1/mirrors')
  if (!isMirror && mirrors?.status !== 200) throw new UserError(`${client.url} is not a Stillpoint server`)
  const isReady = ready.status === 200
  return {
    url: client.url,
    ready: isReady,
    ...fencedOf(ready.body),
    role: isMirror ? 'mirror' : 'primary',
    cp: isReady ? await client.newestCp() : null,
    ...(isMirror ? { mirror: mirror.body as Record<string, unknown> } : {}),
    ...(mirrors === null ? {} : { mirrors: (mirrors.body as { items: RemoteMirror[] }).items }),
  }
}

function fencedOf(health: unknown): { readonly fenced?: string } {
  if (typeof health !== 'object' || health === null || !('fenced' in health)) return {}
  return typeof health.fenced === 'string' ? { fenced: health.fenced } : {}
}

export const statusCommand = buildCommand<ClientFlags, [], CliContext>({
  func: status,
  parameters: { flags: clientFlags },
  docs: { brief: 'Say what a server is doing' },
})
