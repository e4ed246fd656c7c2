/** `serve`: serves a volume in the volume's own role, and makes a primary when the folder has no volume. */
import { buildCommand } from '@stricli/core'
import type { CliContext } from '../command/context.ts'
import { runServer } from './run-server.ts'
import { type ServeFlags, serveFlags } from './server-flags.ts'

function serve(this: CliContext, flags: ServeFlags): Promise<void> {
  return runServer(this, 'serve', flags)
}

export const serveCommand = buildCommand<ServeFlags, [], CliContext>({
  func: serve,
  parameters: { flags: serveFlags },
  docs: { brief: 'Serve a volume; make one when there is none' },
})
