/**
 * The public views in words: every view and every column. docs/sql.md is made from these words, and a test compares
 * them with the schema.
 */
import type { publicViews } from './schema.ts'

interface ViewDescription {
  readonly about: string
  /** Column → type as SQLite names it, and meaning. */
  readonly columns: Readonly<Record<string, readonly [type: 'integer' | 'real' | 'text', about: string]>>
}

const cp = (about: string) => ['integer', about] as const
const time = (of: string) => ['text', `${of}, RFC 3339 in UTC`] as const
const timeMs = (of: string) => ['integer', `${of}, in milliseconds since 1970`] as const

export const viewDescriptions: Readonly<Record<(typeof publicViews)[number], ViewDescription>> = {
  cps: {
    about: 'The consistency points of this side, the newest 100,000.',
    columns: {
      cp: cp('number of the consistency point: epoch × 10¹² + n'),
      epoch: ['integer', 'epoch that it was taken in'],
      root_hash: ['text', 'SHA-256 of its root, in hexadecimal: the same on every side'],
      cause: ['text', 'why it was taken; `mirrored` on a mirror'],
      send_ms: ['real', 'time to send the writes to the device, in milliseconds'],
      build_ms: ['real', 'time to build tree, maps and root, in milliseconds'],
      commit_ms: ['real', 'time to sync and to write the superblock, in milliseconds'],
      blocks_written: ['integer', 'blocks of 4 KiB that were written'],
      bytes_written: ['integer', 'bytes that were written'],
      coalesced: ['integer', 'writes that were replaced by later ones before they left'],
      bytes_sent: ['integer', 'bytes of it that travelled to mirrors; on a mirror, that came in'],
      committed_at: time('when it was published'),
      committed_ms: timeMs('when it was published'),
    },
  },
  transfers: {
    about: 'What travelled to mirrors, the newest 100,000; on a mirror, what came in.',
    columns: {
      mirror: ['text', 'id of the mirror'],
      kind: ['text', '`live`, `difference`, `first-copy` or `want`'],
      cp: cp('the consistency point that it belongs to'),
      blocks: ['integer', 'blocks of 4 KiB'],
      bytes: ['integer', 'bytes on the wire'],
      ms: ['real', 'how long it took, in milliseconds'],
      at: time('when it ended'),
      at_ms: timeMs('when it ended'),
    },
  },
  audit: {
    about: 'The audit trail: its newest 100,000 events, none older than 400 days. No row has a secret.',
    columns: {
      id: ['integer', 'order of the events'],
      at: time('when it happened'),
      event: ['text', '`server-started`, `refused`, `token-created` and others: see `cli.md`'],
      who: ['text', 'id of a token or of a side; null when the sender has proved nothing'],
      what: ['text', 'what happened, in words'],
      source: ['text', 'address of the sender'],
      left_out: ['integer', 'events of this kind that have no row since the row before'],
      at_ms: timeMs('when it happened'),
    },
  },
  events: {
    about: 'What `GET /v1/events` has said, the newest: `--catalog-event-rows-max` says how many.',
    columns: {
      id: ['integer', 'order of the events'],
      at: time('when it happened'),
      event: [
        'text',
        '`published`, `pruned`, `mirrored`, `lag`, `stalled`, `caught-up` or `fenced`: see `operations.md`',
      ],
      cp: cp('the consistency point that it is about'),
      mirror: ['text', 'id of the mirror that it is about; null for any other event'],
      facts: ['text', "what else is known, a JSON object: `facts ->> 'lagMs'`"],
      at_ms: timeMs('when it happened'),
    },
  },
  mirrors: {
    about:
      'The mirrors as they were seen a second after the last publication; on a mirror, the mirror itself.',
    columns: {
      id: ['text', 'id of the mirror'],
      url: ['text', 'its address; null on the mirror itself'],
      state: ['text', '`live`, `catching-up`, `stalled` or `away`'],
      cp: cp('the last consistency point that it published; null before the first'),
      lag_cps: ['integer', 'consistency points that it is behind'],
      lag_ms: ['real', 'time since the first consistency point that it lacks, in milliseconds'],
      held_bytes: ['integer', 'space that only this mirror keeps on its primary'],
      needs: ['text', 'what it waits for, in words'],
      at: time('when it was seen so'),
      at_ms: timeMs('when it was seen so'),
    },
  },
  catalog: {
    about: 'One row: the consistency point that `directories`, `files` and `changes` are true for.',
    columns: {
      cp: cp('the consistency point; null while the rows are filled'),
      root_hash: ['text', 'SHA-256 of its root, in hexadecimal'],
      is_filling: ['integer', '1 while the rows are filled: they are those of no consistency point then'],
      changes_after: cp('`changes` has everything that changed after this consistency point'),
    },
  },
  directories: {
    about: 'Every directory; the root has id 1 and the path "".',
    columns: {
      id: ['integer', 'id, which a directory keeps wherever it is moved'],
      parent: ['integer', 'id of the directory that it is in; null for the root'],
      name: ['text', 'its name'],
      path: ['text', 'its path, without a slash in front; indexed'],
    },
  },
  files: {
    about:
      'Every entry: files, directories and links. Rows are kept by (`directory`, `name`), so a question about one directory is answered at once, and any other reads all rows.',
    columns: {
      directory: ['integer', 'id of the directory that it is in'],
      name: ['text', 'its name; names are UTF-8, and compared by their bytes'],
      path: ['text', 'path of the directory, slash, name'],
      kind: ['text', '`file`, `directory` or `link`'],
      size: ['integer', 'bytes of a file, of the target of a link; 0 for a directory'],
      mode: ['integer', 'permission bits'],
      created_at: time('when it was created'),
      created_ms: timeMs('when it was created'),
      created_nanos: ['integer', 'nanoseconds below the millisecond'],
      modified_at: time('when it was modified, as its client said'),
      modified_ms: timeMs('when it was modified, as its client said'),
      modified_nanos: ['integer', 'nanoseconds below the millisecond'],
      type: ['text', 'content type; null when none was given'],
      meta: ['text', "metadata, a JSON object of strings; null when none was given: `meta ->> 'NAME'`"],
      target: ['text', 'target of a link; null for anything else'],
      etag: ['text', 'its ETag, without quotes'],
      cp: cp(
        'the consistency point that has last changed content or attributes, as far as `cps` tells; null when it is older than `cps`',
      ),
    },
  },
  changes: {
    about:
      'What changed. All changes of one `cp` belong together: what happened after `after_cp`, up to `cp`, as the difference of the two. Kept as `--catalog-change-rows-max` and `--catalog-change-days-max` say.',
    columns: {
      id: ['integer', 'number of the row, ascending'],
      cp: cp('the consistency point that has the change'),
      after_cp: cp(
        'the one that has not: the one before, or an earlier one when several were taken together',
      ),
      change: [
        'text',
        '`created`, `changed`, `deleted`; `renamed` within its directory, `moved` to another one',
      ],
      kind: ['text', '`file`, `directory` or `link`'],
      path: ['text', 'where it is at `cp`; of what was deleted: where it was at `after_cp`'],
      from_path: ['text', 'where it was at `after_cp`, when it was renamed or moved'],
      size_before: ['integer', 'size at `after_cp`; null when it was not there'],
      size_after: ['integer', 'size at `cp`; null when it is not there'],
      committed_at: time('when `cp` was published'),
      committed_ms: timeMs('when `cp` was published'),
    },
  },
}

/** The same for programs that ask. */
export const describedViews = Object.entries(viewDescriptions).map(([name, { about, columns }]) => ({
  name,
  description: about,
  columns: Object.entries(columns).map(([column, [type, description]]) => ({
    name: column,
    type,
    description,
  })),
}))
