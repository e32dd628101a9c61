/** Name, promise, theme. */
import { useStudio } from '../store/react.ts';
import { Button } from './button.tsx';
import { Icon } from './icons.tsx';

export function Header() {
  const theme = useStudio(({ view }) => view.theme);
  const setTheme = useStudio((state) => state.setTheme);
  const other = theme === 'dark' ? 'light' : 'dark';
  return (
    <header className="page-header">
      <div className="brand">
        <Icon name="mark" />
        <h1>Layerfold</h1>
      </div>
      <p className="promise">
        <Icon name="lock" />
        <span>
          Nothing leaves this machine<span className="wide-only">: no server, no upload</span>
        </span>
      </p>
      <Button kind="icon" label={`Switch to ${other} theme`} onClick={() => setTheme(other)}>
        <Icon name={theme === 'dark' ? 'sun' : 'moon'} />
      </Button>
    </header>
  );
}
