/** `rclone serve webdav` over a plain folder, as it comes. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { toolPath } from '../harness/machine.ts'
import { freePort, type Workspace } from '../harness/workspace.ts'
import { answers } from './nginx.ts'
import { filesOfFolder, type FileServer } from './server.ts'

export async function startRclone(workspace: Workspace): Promise<FileServer> {
  const path = toolPath('rclone')
  if (path === null) throw new Error('rclone is not installed')
  const root = workspace.folder('rclone')
  const cache = workspace.folder('rclone-cache')
  const port = await freePort()
  const { child } = await workspace.processes.start({
    command: [
      path,
      'serve',
      'webdav',
      root,
      '--addr',
      `127.0.0.1:${port}`,
      '--config',
      join(cache, 'rclone.conf'),
      '--cache-dir',
      cache,
      '--log-level',
      'ERROR',
      // What is written must be there for whoever reads next.
      '--dir-cache-time',
      '0s',
    ],
  })
  await answers(port, child.exited)
  return {
    port,
    prefix: '/',
    children: [child],
    makeFolders(paths) {
      for (const name of paths) mkdirSync(join(root, name), { recursive: true })
    },
    async *files(name) {
      yield* filesOfFolder(root, name)
    },
    stop: (signal) => child.stop(signal),
  }
}
