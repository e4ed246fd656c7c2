/** Characters that decoders, trimming, terminals and file systems treat in a way of their own. */

/** All that UTF-8 has a form for. */
export function* codePoints(): Generator<number> {
  for (let point = 0; point <= 0x10ffff; point++) if (point < 0xd800 || point > 0xdfff) yield point
}

const isOdd = /[\p{Cf}\p{Cc}\p{Z}\p{Noncharacter_Code_Point}\p{Co}\p{Variation_Selector}]/u
/** Of the private ones a few stand for all. */
const isPrivate = (point: number): boolean =>
  point >= 0xe002 && point !== 0xf8ff && /\p{Co}/u.test(String.fromCodePoint(point))

function* found(): Generator<string> {
  for (const point of codePoints()) {
    const text = String.fromCodePoint(point)
    // Every plane and every length has some that nobody treats in a way of their own.
    if (point % 4099 === 0 || (isOdd.test(text) && !isPrivate(point))) yield text
  }
  // Two forms of one character, a sequence of several, and what is encoded once too often.
  yield* ['\u00e9', 'e\u0301', '\u{1f468}\u200d\u{1f469}', '%EF%BB%BF', '\ufffd', '\\ufeff', '\ufeff\ufeff']
}
export const oddOnes: readonly string[] = [...found()]
export const byteOrderMark = '\ufeff'

/** The character alone, first, in the middle, and last. */
export const around = (text: string): string[] => [text, `${text}b`, `a${text}b`, `a${text}`]
