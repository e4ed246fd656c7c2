/** Bare Bun servers as contestants: see bare-server.ts. */
import { join } from 'node:path'
import { bunPath } from '../harness/machine.ts'
import type { StoredFile } from '../harness/state.ts'
import type { Workspace } from '../harness/workspace.ts'
import type { FileServer } from './server.ts'

export async function startBare(
  workspace: Workspace,
  mode: 'memory' | 'log',
  cores: string | null = null,
): Promise<FileServer> {
  const folder = mode === 'log' ? workspace.folder('bare') : ''
  const pinned = cores === null ? [] : ['taskset', '-c', cores]
  const { child, ready } = await workspace.processes.start({
    command: [...pinned, bunPath, '--no-orphans', join(import.meta.dir, 'bare-server.ts'), mode, folder],
    ready: /^ready (\d+)$/,
  })
  const port = Number(ready)
  const origin = `http://127.0.0.1:${port}`
  return {
    port,
    prefix: '/',
    children: [child],
    makeFolders: () => undefined,
    async *files(path): AsyncGenerator<StoredFile> {
      const paths = (await (await fetch(`${origin}/paths`)).json()) as string[]
      for (const found of paths.filter((each) => each.startsWith(`/${path}/`))) {
        const content = await (await fetch(`${origin}${found}`)).bytes()
        yield { path: found.slice(path.length + 2), content }
      }
    },
    stop: (signal) => child.stop(signal),
  }
}
