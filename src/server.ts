/**
 * The composition root: a volume in the role it has, behind its door.
 *
 * - `stop` in this order: readyz 503, HTTP drained, last CP, mirrors told, catalog checkpointed, device closed, lock
 *   released. Nothing that begins later needs what has ended.
 * - A failure that nothing here can repair (a poisoned engine, a bug) resolves `failed`: the process should end.
 */
import { CliError } from './cli/cli-error.ts'
import type { ServerConfiguration } from './cli/configuration.ts'
import { hasVolume } from './cli/volume-folder.ts'
import { probeAddress } from './http-server.ts'
import { serveMirror } from './mirror-server.ts'
import { OpenedVolume, type World } from './opened-volume.ts'
import { servePrimary } from './primary-server.ts'
import type { Loss } from './losses.ts'
import type { Role } from './routes/dependencies.ts'

export interface StartOptions extends World {
  /** What the operator accepts to lose, so that a damaged volume can be opened. */
  readonly acceptLoss: readonly Loss[]
}

export interface RunningServer {
  readonly url: string
  readonly role: Role
  /** 0 on a mirror that has received nothing yet. */
  publishedCp(): number
  /** What cannot be repaired inside the process, when it happens. */
  readonly failed: Promise<Error>
  stop(): Promise<void>
  /** After `failed`: answers who waits and takes no CP. */
  abandon(): Promise<void>
}

/** A new volume gets the role of the verb; one that exists is served in its own. */
export async function startServer(
  verb: 'serve' | 'mirror',
  configuration: ServerConfiguration,
  options: StartOptions,
): Promise<RunningServer> {
  // Nobody wants a new volume that is not served.
  const { host, port } = configuration.listen
  if (!hasVolume(configuration.data)) await probeAddress(host, port)
  const volume = await OpenedVolume.open(verb === 'serve' ? 'primary' : 'mirror', configuration, options)
  try {
    if (verb === 'mirror' && volume.role === 'primary')
      throw new CliError(`the volume in ${configuration.data} is a primary: serve it with \`serve\``)
    return volume.role === 'primary'
      ? await servePrimary(volume, configuration, options)
      : await serveMirror(volume, configuration, options)
  } catch (error) {
    await volume.close()
    throw error
  }
}
