/**
 * The composition root: serves a volume in its own role, behind its door.
 *
 * - `stop` works in this order: readyz 503, HTTP drained, last CP, mirrors told, catalog closed, device closed,
 *   lock released. No step needs a part that an earlier step has ended.
 * - A failure that the process cannot repair (a poisoned engine, a bug) resolves `failed`: the process should end.
 */
import { knownTokensOf, refuseShutDoor } from './access.ts'
import { UserError } from '../lib/user-error.ts'
import type { ServerConfiguration } from './configuration/configuration.ts'
import { hasVolume } from './volume-folder.ts'
import { probeAddress } from '../routes/http/server.ts'
import { serveMirror } from './mirror.ts'
import { OpenedVolume } from './opened-volume.ts'
import { servePrimary } from './primary.ts'
import { serveReading, whyNotWritten } from './reading.ts'
import type { RunningServer, StartOptions } from './running-server.ts'

/**
 * A new volume gets the role of the verb. A volume that exists keeps its role; `mirror` refuses to serve a primary.
 */
export async function startServer(
  verb: 'serve' | 'mirror',
  configuration: ServerConfiguration,
  options: StartOptions,
): Promise<RunningServer> {
  // The address is tried first, so that no new volume is made that cannot be served.
  const { host, port } = configuration.listen
  if (!hasVolume(configuration.data)) {
    refuseShutDoor(knownTokensOf(configuration, options.clock), configuration)
    await probeAddress(host, port)
  }
  const volume = await OpenedVolume.open(verb === 'serve' ? 'primary' : 'mirror', configuration, options)
  try {
    if (verb === 'mirror' && volume.role === 'primary')
      throw new UserError(`the volume in ${configuration.data} is a primary: serve it with \`serve\``)
    return await serveVolume(volume, configuration, options)
  } catch (error) {
    await volume.close()
    throw error
  }
}

/** Serves the volume; where the open could not write, only reads are served. */
async function serveVolume(
  volume: OpenedVolume,
  configuration: ServerConfiguration,
  options: StartOptions,
): Promise<RunningServer> {
  if (volume.onlyReadsWhy !== null) return serveReading(volume, configuration, options)
  try {
    return volume.role === 'primary'
      ? await servePrimary(volume, configuration, options)
      : await serveMirror(volume, configuration, options)
  } catch (error) {
    const why = whyNotWritten(error)
    if (why === null) throw error
    await volume.reopenForReading(why)
    return serveReading(volume, configuration, options)
  }
}
