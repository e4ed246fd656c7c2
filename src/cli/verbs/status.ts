/** `status`: prints the state of a server in either role. The exit code is 0 only when the server is ready. */
import { buildCommand } from '@stricli/core'
import { UserError } from '../../lib/user-error.ts'
import type { Client, ListedCp } from '../../client/client.ts'
import { type ClientFlags, clientFlags, clientFor } from '../command/common-flags.ts'
import type { CliContext } from '../command/context.ts'
import { formatTable, printJson, printLine, showName } from '../command/output.ts'
import { formatBytes } from '../trees/progress.ts'

interface MirrorItem {
  readonly id: string
  readonly url: string
  readonly state: string
  readonly cp: number | null
  readonly lagCps: number | null
  readonly lagMs: number | null
  readonly needs: string | null
  readonly heldBytes: number | null
}

interface Status {
  readonly url: string
  readonly ready: boolean
  /** Reason why the server serves only reads. */
  readonly fenced?: string
  readonly role: 'primary' | 'mirror'
  /** The newest published CP; null when the server is not ready, as a mirror is before its first CP. */
  readonly cp: ListedCp | null
  readonly mirrors?: readonly MirrorItem[]
  /** Status that a mirror reports about itself. */
  readonly mirror?: Readonly<Record<string, unknown>>
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
  for (const { status: code, body } of [mirror, ...(mirrors === null ? [] : [mirrors])])
    if (code === 401 || code === 403) throw new UserError(`${client.url}: ${detailOf(body)}`)
  if (!isMirror && mirrors?.status !== 200) throw new UserError(`${client.url} is not a Stillpoint server`)
  const isReady = ready.status === 200
  return {
    url: client.url,
    ready: isReady,
    ...fencedOf(ready.body),
    role: isMirror ? 'mirror' : 'primary',
    cp: isReady ? await client.newestCp() : null,
    ...(isMirror ? { mirror: mirror.body as Record<string, unknown> } : {}),
    ...(mirrors === null ? {} : { mirrors: (mirrors.body as { items: MirrorItem[] }).items }),
  }
}

function detailOf(problem: unknown): string {
  if (typeof problem !== 'object' || problem === null || !('detail' in problem)) return 'refused'
  return showName(String(problem.detail))
}

function fencedOf(health: unknown): { readonly fenced?: string } {
  if (typeof health !== 'object' || health === null || !('fenced' in health)) return {}
  return typeof health.fenced === 'string' ? { fenced: health.fenced } : {}
}

function mirrorTable(mirrors: readonly MirrorItem[]): string {
  const show = (value: string | number | null): string => (value === null ? '-' : showName(String(value)))
  return formatTable(
    ['mirror', 'state', 'cp', 'lag cps', 'lag ms', 'held', 'needs'],
    mirrors.map(({ url, state, cp, lagCps, lagMs, heldBytes, needs }) => [
      show(url),
      show(state),
      show(cp),
      show(lagCps),
      show(lagMs),
      heldBytes === null ? '-' : formatBytes(heldBytes),
      show(needs),
    ]),
  )
}

export const statusCommand = buildCommand<ClientFlags, [], CliContext>({
  func: status,
  parameters: { flags: clientFlags },
  docs: { brief: 'Say what a server is doing' },
})
