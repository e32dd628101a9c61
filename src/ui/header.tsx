/** Name, promise, theme. */
import { useStudio } from '../store/react.ts';
import { Button } from './button.tsx';
import { Icon } from './icons.tsx';
import { TOUR_BUTTON } from './tour-words.ts';

export function Header() {
  const theme = useStudio(({ view }) => view.theme);
  const setTheme = useStudio((state) => state.setTheme);
  const running = useStudio(({ tour }) => tour.running);
  const startTour = useStudio((state) => state.startTour);
  const endTour = useStudio((state) => state.endTour);
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
      <Button
        kind="quiet"
        id={TOUR_BUTTON}
        label={running ? 'End the tour' : 'Two-minute tour'}
        onClick={running ? endTour : startTour}
      >
        Tour
      </Button>
      <Button kind="icon" label={`Switch to ${other} theme`} onClick={() => setTheme(other)}>
        <Icon name={theme === 'dark' ? 'sun' : 'moon'} />
      </Button>
    </header>
  );
}
