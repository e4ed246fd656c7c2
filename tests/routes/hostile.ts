/** Paths that no endpoint may take, as they stand in a URL and as they stand in JSON. */

/** As they stand in a URL. The constructor of Request resolves plain dot segments, as the server's URL parser does. */
export const hostile: readonly (readonly [string, string])[] = [
  ['encoded dot segments behind an encoded slash', 'a%2F..%2Fb'],
  ['a dot segment behind an encoded slash', 'a%2f.%2Fb'],
  ['an encoded slash at the end', 'a%2F'],
  ['an encoded slash at the start', '%2Fa'],
  ['a doubled slash', 'a//b'],
  ['a doubled slash, half encoded', 'a/%2Fb'],
  ['a slash at the start', '/a'],
  ['a slash at the end', 'a/'],
  ['NUL', 'a%00b'],
  ['a control character', 'a%1Fb'],
  ['a line feed', 'a%0Ab'],
  ['DEL', 'a%7Fb'],
  ['a C1 control character', 'a%C2%85b'],
  ['a byte that is not UTF-8', 'a%FFb'],
  ['a truncated sequence', 'a%C3'],
  ['an overlong slash', 'a%C0%AFb'],
  ['an encoded surrogate', 'a%ED%A0%80b'],
  ['a percent sign alone', 'a%'],
  ['a percent sign and no digits', 'a%zz'],
  ['a percent sign and one digit', 'a%1'],
  ['a name of 256 bytes', 'n'.repeat(256)],
  ['a name of 256 bytes in 128 characters', '%C3%A9'.repeat(128)],
  ['a path of 5,000 bytes', Array.from({ length: 20 }, () => 'n'.repeat(249)).join('/')],
  ['257 segments', Array.from({ length: 257 }, () => 'd').join('/')],
  ['nothing', ''],
  ['a fragment', 'a#b'],
]

export const hostileInJson: readonly string[] = [
  ...['/b', 'b/', 'b//c', '.', '..', 'b/../c', 'b/.', 'b\0', 'b\u0007', 'b\u009f', '\ud800'],
  ...['n'.repeat(256), 'é'.repeat(128), Array.from({ length: 257 }, () => 'd').join('/')],
]
