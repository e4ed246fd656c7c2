/** Codec for the format number and the feature words, which superblock and root both have. */
import { type Reader, type Writer, corrupt } from '../fields.ts'
import { type Features, assertReadable, formatNumber } from '../features.ts'

type FormatField = 'format' | 'incompat' | 'readOnlyCompat' | 'compat'

export function writeFormat<N extends string>(w: Writer<N | FormatField>, features: Features): void {
  w.number('format', formatNumber)
  w.number('incompat', features.incompat)
  w.number('readOnlyCompat', features.readOnlyCompat)
  w.number('compat', features.compat)
}

/** Throws `newer-format` for a structure that this program cannot read. The caller has verified the sum before. */
export function readFormat<N extends string>(r: Reader<N | FormatField>): Features {
  const format = r.number('format')
  const features = {
    incompat: r.number('incompat'),
    readOnlyCompat: r.number('readOnlyCompat'),
    compat: r.number('compat'),
  }
  assertReadable(r.of.title, { format, ...features })
  if (format !== formatNumber) throw corrupt(r.of.title, 'format', `is ${format}`)
  return features
}
