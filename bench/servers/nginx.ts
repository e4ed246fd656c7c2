/**
 * nginx with WebDAV, one worker. Its answers are always current: no cache of open files. It syncs nothing, so what it
 * acknowledges does not survive a power loss.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { toolPath } from '../harness/machine.ts'
import { freePort, type Workspace } from '../harness/workspace.ts'
import { filesOfFolder, type FileServer } from './server.ts'

export interface NginxServer extends FileServer {
  readonly root: string
}

const user = process.getuid?.() === 0 ? 'user root;' : ''

export async function startNginx(workspace: Workspace, cores: string | null = null): Promise<NginxServer> {
  const path = toolPath('nginx')
  if (path === null) throw new Error('nginx is not installed')
  const folder = workspace.folder('nginx')
  const root = join(folder, 'root')
  for (const name of ['root', 'body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']) mkdirSync(join(folder, name))
  const port = await freePort()
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `${name}_temp_path ${join(folder, name === 'client_body' ? 'body' : name)};`)
    .join(' ')
  writeFileSync(
    join(folder, 'nginx.conf'),
    `daemon off; worker_processes 1; pid ${folder}/pid; error_log ${folder}/error.log warn; ${user}
events { worker_connections 1024; }
http {
  access_log off; sendfile on; tcp_nodelay on; ${temporary}
  keepalive_timeout 600; keepalive_requests 1000000000; client_max_body_size 0; client_body_buffer_size 128k;
  server {
    listen 127.0.0.1:${port} backlog=512; root ${root};
    location / { dav_methods PUT DELETE MKCOL; create_full_put_path on; autoindex on; autoindex_format json; }
  }
}
`,
  )
  const pinned = cores === null ? [] : ['taskset', '-c', cores]
  const { child } = await workspace.processes.start({
    command: [
      ...pinned,
      path,
      '-e',
      join(folder, 'error.log'),
      '-p',
      folder,
      '-c',
      join(folder, 'nginx.conf'),
    ],
  })
  await answers(port, child.exited)
  return {
    port,
    prefix: '/',
    root,
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

const answerMsMax = 10_000
const stepMs = 20

/** Waits until somebody listens on the port. */
export async function answers(port: number, exited: Promise<number>): Promise<void> {
  const end = { hasCome: false }
  const note = (): void => {
    end.hasCome = true
  }
  exited.then(note, note)
  for (let waited = 0; waited < answerMsMax && !end.hasCome; waited += stepMs) {
    const isOpen = await fetch(`http://127.0.0.1:${port}/`).then(
      () => true,
      () => false,
    )
    if (isOpen) return
    await Bun.sleep(stepMs)
  }
  throw new Error(`nobody listens on port ${port}`)
}
