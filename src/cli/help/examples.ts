/** Lines that a person may type, by the words that lead to the command. Every verb that talks to a server has some. */
export const examples: Readonly<Record<string, readonly string[]>> = {
  '': [
    'stillpoint serve --data /srv/files',
    'stillpoint put -r ./site /site',
    'stillpoint get -r /site ./back',
    'stillpoint ls -l /site',
    'stillpoint status --url http://127.0.0.1:7071',
  ],
  serve: [
    'stillpoint serve --data /srv/files --mirror http://127.0.0.1:7071',
    'stillpoint serve --data /srv/files --admin-token-file /etc/sp/admin.token',
  ],
  mirror: ['stillpoint mirror --data /srv/copy --listen 127.0.0.1:7071'],
  mirrors: ['stillpoint mirrors list', 'stillpoint mirrors add http://127.0.0.1:7071'],
  status: ['stillpoint status', 'stillpoint status --json --url http://127.0.0.1:7071'],
  put: [
    'stillpoint put report.pdf /reports/',
    'stillpoint put -r ./site /site',
    'pg_dump shop | stillpoint put - /backups/shop.sql',
  ],
  get: [
    'stillpoint get /reports/report.pdf',
    'stillpoint get -r /site ./back --url http://127.0.0.1:7071',
    'stillpoint get -r /site ./back --at 2026-01-31T12:00:00Z',
  ],
  cat: ['stillpoint cat /backups/shop.sql | psql shop'],
  ls: ['stillpoint ls -l /site', 'stillpoint ls -r / --json'],
  stat: ['stillpoint stat /site/index.html', 'stillpoint stat /site --json'],
  mkdir: ['stillpoint mkdir /site/images'],
  rm: ['stillpoint rm /site/old.html', 'stillpoint rm -r /site/drafts'],
  mv: ['stillpoint mv /site/a.html /site/b.html', 'stillpoint mv /site/a.html /old/'],
  sql: [`stillpoint sql "select path, size from files order by size desc"`, 'stillpoint sql .schema'],
  token: [
    'stillpoint token new /etc/sp/admin.token',
    'stillpoint token create "web site" --role reader --prefix /site',
  ],
  check: ['stillpoint check /srv/files'],
  certificate: ['stillpoint certificate --name files.example --out /etc/sp'],
  completion: [
    'stillpoint completion bash > /etc/bash_completion.d/stillpoint',
    'stillpoint completion zsh > ~/.zfunc/_stillpoint',
    'stillpoint completion fish > ~/.config/fish/completions/stillpoint.fish',
  ],
}
