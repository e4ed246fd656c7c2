/**
 * A primary and its mirror over real sockets, which hold what the examples of the documents are about, and the names that
 * stand for those of the documents.
 */
import { expect } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { sample } from '../../../src/routes/examples/volume.ts'
import type { ServerRole } from '../../../src/routes/http/dependencies.ts'
import type { RunningServer } from '../../../src/server/running-server.ts'
import { bearer, issue } from '../../access/issued.ts'
import { freePort } from '../../scripts/fake-project.ts'
import type { Served } from '../../server/served.ts'

const { away, cp, drafts, mirror, nowhere, readme, token } = sample

interface Token {
  readonly id: string
}
interface Mirror {
  readonly id: string
  readonly url: string
}

const json = { 'Content-Type': 'application/json' }

export class World {
  private readonly admin = issue('admin').text
  private primary!: RunningServer
  private mirror!: RunningServer
  private awayUrl!: string
  private nowhereUrl!: string
  private isPrepared = false
  /** What the documents say, and what it is here. */
  private readonly names = new Map<string, string>()
  /** The same of what only requests say. */
  private readonly parameters = new Map<string, string>()

  static async start(served: Served): Promise<World> {
    const world = new World()
    const folder = served.folder()
    const adminTokenFile = join(folder, 'admin.token')
    writeFileSync(adminTokenFile, world.admin, { mode: 0o600 })
    // No consistency point comes by itself: what an example answers does not depend on time.
    const flags = { adminTokenFile, cpIntervalMs: '60000' }
    world.mirror = await served.start(join(folder, 'mirror'), { verb: 'mirror', flags: { adminTokenFile } })
    world.primary = await served.start(join(folder, 'primary'), { flags, mirrors: [world.mirror.url] })
    const ports = [0, 0].map(freePort)
    world.awayUrl = `http://127.0.0.1:${ports[0]}`
    world.nowhereUrl = `http://127.0.0.1:${ports[1]}`
    return world
  }

  urlOf(role: ServerRole): string {
    return role === 'primary' ? this.primary.url : this.mirror.url
  }

  /** Headers of an administrator. */
  get headers(): Readonly<Record<string, string>> {
    return bearer(this.admin)
  }

  /** Text of a request as this pair has to be asked. */
  asHere(documented: string): string {
    let text = documented
    for (const [said, is] of [...this.names, ...this.parameters]) text = text.replaceAll(said, is)
    return text
  }

  /** Text of an answer of this pair as the documents say it. */
  asDocumented(answer: string): string {
    let text = answer
    for (const [said, is] of this.names) text = text.replaceAll(is, said)
    return text
  }

  /** Something has been asked that may have changed the volume. */
  touch(): void {
    this.isPrepared = false
  }

  /** Makes the volume hold what the documents say, and nothing else. */
  async prepare(): Promise<void> {
    if (this.isPrepared) return
    this.isPrepared = true
    for (const { name } of (await this.get<{ entries: { name: string }[] }>('/v1/dirs')).entries)
      await this.ask('DELETE', `/v1/dirs/${name}?recursive=true`)
    for (const { id } of (await this.get<{ items: Token[] }>('/v1/tokens')).items)
      await this.ask('DELETE', `/v1/tokens/${id}?durability=logged`)
    const { id, ...wish } = token
    const made = (await this.ask('POST', '/v1/tokens', JSON.stringify(wish), json)) as Token
    const mirrors = await this.prepareMirrors()
    await this.ask('PUT', `/v1/dirs/${drafts}`)
    const { cp: newest } = (await this.writeReadme('mirrored')) as { cp: number }
    await this.get(`/v1/dirs?minCp=${newest}&wait=30`, 'mirror')
    await this.writeReadme('logged')
    this.names.clear()
    const pairs = {
      [id]: made.id,
      [mirror.id]: mirrors.get(this.mirror.url)!.id,
      [mirror.url]: this.mirror.url,
      [away.id]: mirrors.get(this.awayUrl)!.id,
      [away.url]: this.awayUrl,
      [nowhere]: this.nowhereUrl,
    }
    for (const [said, is] of Object.entries(pairs)) this.names.set(said, is)
    for (const before of ['cp=', 'minCp=', '/v1/cps/'])
      this.parameters.set(`${before}${cp}`, `${before}${newest}`)
  }

  /** By their addresses. */
  private async prepareMirrors(): Promise<Map<string, Mirror>> {
    const wanted = [this.mirror.url, this.awayUrl]
    const { items } = await this.get<{ items: Mirror[] }>('/v1/mirrors')
    for (const { id, url } of items) if (!wanted.includes(url)) await this.ask('DELETE', `/v1/mirrors/${id}`)
    const there = new Map(items.map((each) => [each.url, each]))
    for (const url of wanted)
      if (!there.has(url))
        there.set(url, (await this.ask('POST', '/v1/mirrors', JSON.stringify({ url }), json)) as Mirror)
    return there
  }

  private writeReadme(durability: string): Promise<unknown> {
    const { path, text, contentType } = readme
    const address = `/v1/files/${path}?durability=${durability}${durability === 'mirrored' ? '&wait=30' : ''}`
    const headers = {
      'Content-Type': contentType,
      'Stillpoint-Meta-Owner': 'alice',
      'Stillpoint-Mode': '0644',
    }
    return this.ask('PUT', address, text, headers)
  }

  private async get<T>(path: string, role: ServerRole = 'primary'): Promise<T> {
    const answer = await fetch(this.urlOf(role) + path, { headers: this.headers })
    expect([path, answer.status]).toEqual([path, 200])
    return (await answer.json()) as T
  }

  private async ask(
    method: string,
    path: string,
    body: string | null = null,
    headers = {},
  ): Promise<unknown> {
    const answer = await fetch(this.primary.url + path, {
      method,
      body,
      headers: { ...headers, ...this.headers },
    })
    const text = await answer.text()
    expect([method, path, answer.ok, answer.ok ? '' : text]).toEqual([method, path, true, ''])
    return text === '' ? null : JSON.parse(text)
  }
}
