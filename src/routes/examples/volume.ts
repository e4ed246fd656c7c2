/** A volume as it is before each example, with names that stand for those which differ from volume to volume. */
export const sample = {
  /** The file. Its mode is 0644, and its metadata `owner: alice`. */
  readme: { path: 'docs/readme.txt', text: 'Hello, mirror', contentType: 'text/plain' },
  /** An empty directory. */
  drafts: 'docs/drafts',
  /** The one token, beside that of the administrator who sends the requests. */
  token: { id: '3f9c0a7be1d24586', name: 'backup of docs', role: 'reader', prefix: 'docs' },
  /** The mirror that follows. */
  mirror: { id: '0b6e2f7c-6d0e-4f0b-9a3c-2f5d8f1c7a10', url: 'http://127.0.0.1:7071' },
  /** A mirror that has never been reached. */
  away: { id: 'd2a9c3b1-91f4-4a57-8c21-64b0e5f7a823', url: 'http://127.0.0.1:7072' },
  /** Where nobody listens either. */
  nowhere: 'http://127.0.0.1:7073',
  /** The newest consistency point. The file has been written again since, with the same content. */
  cp: 42,
  etag: '"1-2-3"',
  time: '2026-01-31T12:00:00.000Z',
} as const

/** The same in words, for the documents. */
export const sampleSentence =
  `The examples are about a volume with the file \`${sample.readme.path}\` of ${sample.readme.text.length} bytes and the ` +
  `empty directory \`${sample.drafts}\`; numbers, times and ids differ.`
