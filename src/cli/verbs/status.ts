/** `status`: prints the state of a server in either role. The exit code is 0 only when the server is ready. */
import { buildCommand } from '@stricli/core'
import { UserError } from '../../lib/user-error.ts'
import type { Client } from '../../../sdk/src/client.ts'
import type { ConsistencyPoint, Mirror, MirrorStatus, ServerStatus } from '../../../sdk/src/contract.ts'
import { formatBytes } from '../trees/progress.ts'
import { type ClientFlags, clientFlags, clientFor } from '../command/common-flags.ts'
import type { CliContext } from '../command/context.ts'
import { formatAge, printJson, printLine, showName } from '../command/output.ts'
import { mirrorTable } from './mirror-table.ts'

interface Status extends ServerStatus {
  readonly url: string
  /** The newest published CP; null before the first. */
  readonly newest: ConsistencyPoint | null
  /** The mirrors of a primary. */
  readonly mirrors?: readonly Mirror[]
  /** Status that a mirror reports about its mirroring. */
  readonly mirror?: MirrorStatus
}

async function status(this: CliContext, flags: ClientFlags): Promise<void> {
  const client = await clientFor(this, flags)
  const found = await ask(client)
  if (flags.json) printJson(this, found)
  else show(this, found)
  if (!found.ready) throw new UserError(`${found.url} is not ready`)
}

async function ask({ url, administration }: Client): Promise<Status> {
  const known = await administration.status()
  const newest = known.cp > 0 ? await administration.newestCp() : null
  const mirroring =
    known.role === 'primary'
      ? { mirrors: await administration.mirrors() }
      : { mirror: await administration.mirror() }
  return { url, ...known, newest, ...mirroring }
}

function show(context: CliContext, found: Status): void {
  const { url, role, ready, reason, newest, space, catalog, version, commit, format, mirrors, mirror } = found
  const program = `version ${showName(version)} (commit ${showName(commit ?? 'unknown')}, format ${format})`
  printLine(context, `${url}  ${role}  ${ready ? 'ready' : 'not ready'}  up ${formatAge(found.uptimeMs)}`)
  printLine(context, program)
  if (reason !== null) printLine(context, `${ready ? 'fenced' : 'reason'}: ${showName(reason)}`)
  if (newest !== null)
    printLine(
      context,
      `cp ${newest.cp}  ${showName(newest.cause)}  ${newest.committedAt}  ${newest.blocksWritten} blocks  root ${newest.rootHash}`,
    )
  printLine(
    context,
    `space ${formatBytes(space.usedBytes)} used, ${formatBytes(space.freeBytes)} free, at most ${formatBytes(space.maxBytes)}`,
  )
  printLine(
    context,
    `catalog ${showName(catalog.state)}${catalog.behindCps > 0 ? `, ${catalog.behindCps} behind` : ''}`,
  )
  if (mirrors !== undefined && mirrors.length > 0) context.process.stdout.write(mirrorTable(mirrors))
  for (const [name, value] of Object.entries(mirror ?? {}))
    if (value !== null)
      printLine(context, `${name}: ${showName(typeof value === 'string' ? value : JSON.stringify(value))}`)
}

export const statusCommand = buildCommand<ClientFlags, [], CliContext>({
  func: status,
  parameters: { flags: clientFlags },
  docs: { brief: 'Say what a server is doing' },
})
