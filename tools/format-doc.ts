/**
 * The generated parts of docs/format.md and docs/wire.md: everything between `<!-- NAME -->` and `<!-- /NAME -->` is made here, from the
 * field tables and constants of src/format. The prose around them is written by hand.
 *
 *   bun tools/format-doc.ts --write
 */
import { entryExtraLayout, extraBytesMax } from '../src/format/items/entry-extra.ts'
import { type Layout, markdownTable } from '../src/format/fields.ts'
import * as entry from '../src/lib/entry-limits.ts'
import { directoryItemLayout } from '../src/format/items/directory-item.ts'
import * as token from '../src/format/items/token-setting.ts'
import { settingBytesMax, settingItemLayout } from '../src/format/items/setting-item.ts'
import * as items from '../src/format/items/items.ts'
import { keyKinds, settingNameBytesMax } from '../src/format/items/item-keys.ts'
import * as g from '../src/format/geometry.ts'
import { structures } from '../src/format/kinds.ts'
import { logGroupBytesMax, logGroupLayout } from '../src/format/disk/log-group.ts'
import { logRecordBytesMax, logRecordLayout } from '../src/format/disk/log-record.ts'
import * as map from '../src/format/disk/map-page.ts'
import { blockPointerLayout, nodePointerLayout } from '../src/format/pointer-layout.ts'
import { epochLayout, rootLayout, treeLevelMax } from '../src/format/disk/root.ts'
import { snapshotItemLayout } from '../src/format/disk/snapshot-item.ts'
import { holdLayout, memberLayout, superblockLayout } from '../src/format/disk/superblock.ts'
import { treeNodeLayout } from '../src/format/disk/tree-node.ts'
import { frameKinds } from '../src/format/wire/messages.ts'
import { wireLayouts } from '../src/format/wire/frames.ts'
import { handshakeLayouts } from '../src/format/wire/handshake.ts'
import { formatExample } from './format-example.ts'
import { knownSha256, knownXxh3 } from '../src/lib/known-answers.ts'

const documentPath = (name: string): string => `${import.meta.dir}/../docs/${name}.md`

const layouts: readonly Layout[] = [
  superblockLayout,
  holdLayout,
  memberLayout,
  rootLayout,
  epochLayout,
  nodePointerLayout,
  blockPointerLayout,
  treeNodeLayout,
  map.mapPageLayout,
  map.mapIndexLayout,
  items.entryItemLayout,
  entryExtraLayout,
  items.recordItemLayout,
  items.objectItemLayout,
  items.orphanItemLayout,
  directoryItemLayout,
  settingItemLayout,
  token.tokenSettingLayout,
  token.accessMarkLayout,
  snapshotItemLayout,
  logGroupLayout,
  logRecordLayout,
]

const number = (n: number): string => n.toLocaleString('en-US')
const table = (head: readonly string[], rows: readonly (readonly (string | number)[])[]): string =>
  [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')

function volumeTable(): string {
  const { logAddress, logBlocks } = g.makeGeometry()
  const copies = [0, 1].flatMap((slot) =>
    [0, 1].map((copy) => {
      const at = g.superblockAddress(slot, copy)
      return [`${at} … ${at + g.superblockCopyBlocks - 1}`, `superblock, slot ${slot}, copy ${copy}`]
    }),
  )
  return table(
    ['blocks', 'what'],
    [
      ...copies,
      [
        `${number(logAddress)} … ${number(logAddress + logBlocks - 1)}`,
        'the ring of the intent log (at its default size)',
      ],
      ['all others', 'address blocks and data blocks, given out by the allocator'],
    ],
  )
}

const limits: readonly (readonly [name: string, value: number, unit: string])[] = [
  ['block', g.blockBytes, 'bytes'],
  ['volume, at most', g.volumeBytesLimit, 'bytes'],
  ['volume, by default', g.volumeBytesMaxDefault, 'bytes'],
  ['step of growth, by default', g.growBytesDefault, 'bytes'],
  ['log ring, at least', g.logBytesMin, 'bytes'],
  ['log ring, by default', g.logBytesDefault, 'bytes'],
  ['span of a record, least', g.recordBytesMin, 'bytes'],
  ['span of a record, by default', g.recordBytesDefault, 'bytes'],
  ['span of a record, most', g.recordBytesMax, 'bytes'],
  ['write command with its bytes in the log', g.inlineBytesMax, 'bytes'],
  ['log record', logRecordBytesMax, 'bytes'],
  ['log group', logGroupBytesMax, 'bytes'],
  ['key', g.keyBytesMax, 'bytes'],
  ['item: key and value', g.itemBytesMax, 'bytes'],
  ['block pointers of a value', g.pointersPerValueMax, ''],
  ['level of a tree node', treeLevelMax, ''],
  ['blocks of a map page', map.blocksPerMapPage, 'blocks'],
  ['pointers of a map index node', map.mapIndexFanout, ''],
  ['epochs in a root', g.epochsMax, ''],
  ['number of an epoch', g.epochMax, ''],
  ['cps of an epoch', g.cpsPerEpoch, ''],
  ['counters in a root', g.countersMax, ''],
  ['members', g.membersMax, ''],
  ['roots that a member may report', g.rootsPerMemberMax, ''],
  ['holds', g.holdsMax, ''],
  ['URL of a member', g.memberUrlBytesMax, 'bytes'],
  ['name of a snapshot', g.snapshotNameBytesMax, 'bytes'],
  ['content type', entry.contentTypeBytesMax, 'bytes'],
  ['name of metadata', entry.metaNameBytesMax, 'bytes'],
  ['metadata of an entry, names and values', entry.metaBytesMax, 'bytes'],
  ['target of a link', entry.linkTargetBytesMax, 'bytes'],
  ['all that an entry carries', extraBytesMax, 'bytes'],
  ['name of a setting', settingNameBytesMax, 'bytes'],
  ['setting', settingBytesMax, 'bytes'],
  ['name of a token', token.tokenNameBytesMax, 'bytes'],
  ['prefix of a token', token.tokenPrefixBytesMax, 'bytes'],
]

const hex = (n: number | bigint, digits: number): string => n.toString(16).padStart(digits, '0')

const answerTable = (): string =>
  table(
    ['sum', 'length', 'seed', 'answer'],
    [
      ...knownXxh3.map(([length, seed, sum]) => [
        'XXH3-64',
        length,
        `\`${hex(seed, 8)}\``,
        `\`${hex(sum, 16)}\``,
      ]),
      ...knownSha256.map(([length, sum]) => ['SHA-256', length, '', `\`${sum}\``]),
    ],
  )

const kindTable = (): string =>
  table(
    ['kind', 'structure', 'version'],
    Object.entries(structures).map(([name, { kind, version }]) => [kind, name, version]),
  )

const frameTable = (): string =>
  table(
    ['kind', 'frame'],
    Object.entries(frameKinds).map(([name, kind]) => [kind, name]),
  )

/** A page of docs/ with its generated parts by name: `layout:TITLE` for every layout, and tables of constants. */
export interface FormatDocument {
  readonly name: string
  readonly path: string
  readonly parts: ReadonlyMap<string, string>
}

const volumeParts: ReadonlyMap<string, string> = new Map([
  ['volume', volumeTable()],
  [
    'limits',
    table(
      ['limit', 'value', 'unit'],
      limits.map(([name, value, unit]) => [name, number(value), unit]),
    ),
  ],
  ['kinds', kindTable()],
  ['answers', answerTable()],
  [
    'keys',
    table(
      ['first byte', 'item'],
      Object.entries(keyKinds).map(([name, kind]) => [kind, name]),
    ),
  ],
  ...layouts.map((of): [string, string] => [`layout:${of.title}`, layoutSection(of)]),
  ['example', await formatExample()],
])

const wireParts: ReadonlyMap<string, string> = new Map([
  ['frames', frameTable()],
  ...[...handshakeLayouts, ...wireLayouts].map((of): [string, string] => [
    `layout:${of.title}`,
    layoutSection(of),
  ]),
])

export const formatDocuments: readonly FormatDocument[] = [
  { name: 'format', path: documentPath('format'), parts: volumeParts },
  { name: 'wire', path: documentPath('wire'), parts: wireParts },
]

function layoutSection(of: Layout): string {
  const size = `${number(of.bytes)} bytes${of.tail.length > 0 ? ', then its tail' : ''}`
  return `**${of.title}**: ${size}\n\n${markdownTable(of)}`
}

/** The page with its generated parts made anew. Throws when a part is missing or not known. */
export function renderFormatDocument({ name: page, parts }: FormatDocument, text: string): string {
  const seen = new Set<string>()
  const out = text.replace(/<!-- ([\w: -]+?) -->\n.*?<!-- \/\1 -->/gs, (_, name: string) => {
    const part = parts.get(name)
    if (part === undefined) throw new Error(`docs/${page}.md has an unknown part: ${name}`)
    seen.add(name)
    return `<!-- ${name} -->\n\n${part}\n\n<!-- /${name} -->`
  })
  const missing = [...parts.keys()].filter((name) => !seen.has(name))
  if (missing.length > 0) throw new Error(`docs/${page}.md lacks: ${missing.join(', ')}`)
  return out
}

/** The formatter aligns tables: what is left is what they say. */
export const withoutAlignment = (text: string): string =>
  text.replace(/^\|.*\|$/gm, (row) => row.replace(/ +/g, ' ').replace(/-+/g, '-'))

if (import.meta.main && process.argv.includes('--write')) {
  for (const page of formatDocuments) {
    const text = await Bun.file(page.path).text()
    await Bun.write(page.path, renderFormatDocument(page, text))
    Bun.spawnSync([process.execPath, 'fmt', page.path])
  }
}
