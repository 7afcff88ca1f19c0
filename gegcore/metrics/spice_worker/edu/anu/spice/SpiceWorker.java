package edu.anu.spice; // For the protected parts of SpiceParser.

import edu.stanford.nlp.ling.CoreAnnotations;
import edu.stanford.nlp.pipeline.Annotation;
import edu.stanford.nlp.trees.Tree;
import edu.stanford.nlp.trees.TreeCoreAnnotations;
import edu.stanford.nlp.util.CoreMap;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.json.simple.JSONArray;
import org.json.simple.JSONObject;
import org.json.simple.JSONValue;

/**
 * SPICE's own classes behind lines of JSON: one question a line, one answer a line, in order.
 *
 * <p>SPICE's main program writes its results through the JavaScript engine that Java 15 removed,
 * parses all references anew in every run, and says nothing until the end. This one answers
 *
 * <ul>
 *   <li>"parse [threads]": a caption (JSON string) with its tuples (lists of strings);
 *   <li>"score": {"test": tuples, "refs": [tuples, ...]} with the F-score of all tuples.
 * </ul>
 */
public final class SpiceWorker {
  private final SpiceParser parser = new SpiceParser(null, 1, true);

  private SpiceWorker(boolean parses) {
    if (parses) { // Load the models before threads share them.
      parser.annotator.setInput(Collections.singletonList("a dog"));
      parser.annotator.parseNextBatch();
    }
  }

  /**
   * The tuples of a caption, in the order in which SPICE adds them to its scene graph.
   *
   * <p>Null if a sentence could not be parsed, for lack of memory: CoreNLP goes on with a flat tree
   * then, which has no tuples, and the score would be 0.
   */
  private String parse(String line) {
    Annotation caption = new Annotation((String) JSONValue.parse(line));
    parser.annotator.pipeline.annotate(caption);
    for (CoreMap sentence : caption.get(CoreAnnotations.SentencesAnnotation.class)) {
      Tree tree = sentence.get(TreeCoreAnnotations.TreeAnnotation.class);
      if (tree == null || tree.label().value().equals("X")) {
        return "null";
      }
    }
    synchronized (parser) {
      return JSONValue.toJSONString(parser.parseAnnotation(caption).tuples);
    }
  }

  /** As SpiceParser.parseCaptions and SpiceStats.score do. */
  private String score(String line) {
    JSONObject question = (JSONObject) JSONValue.parse(line);
    List<Object> test = Collections.singletonList(question.get("test"));
    TupleSet candidate = new TupleSet(graph(test));
    TupleSet truth = new TupleSet(graph((JSONArray) question.get("refs")));
    return JSONValue.toJSONString(new Evaluation(candidate, truth, false, true).f);
  }

  private SceneGraph graph(List<?> captions) {
    SceneGraph scene = new SceneGraph(parser.synonyms, true);
    for (Object tuples : captions) {
      for (Object tuple : (JSONArray) tuples) {
        ArrayList<String> words = new ArrayList<>();
        for (Object word : (JSONArray) tuple) {
          words.add((String) word);
        }
        scene.addTuple(words);
      }
    }
    return scene;
  }

  public static void main(String[] arguments) throws IOException, InterruptedException {
    PrintStream answers = new PrintStream(System.out, false, "UTF-8");
    System.setOut(System.err); // What the libraries print is no answer.
    boolean parses = arguments[0].equals("parse");
    int threads = arguments.length > 1 ? Integer.parseInt(arguments[1]) : 1;
    SpiceWorker worker = new SpiceWorker(parses);
    ExecutorService pool = Executors.newFixedThreadPool(threads);
    BlockingQueue<Future<String>> pending = new ArrayBlockingQueue<>(16 * threads);
    Thread printer = new Thread(() -> print(pending, answers));
    printer.start();
    BufferedReader questions =
        new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = questions.readLine(); line != null; line = questions.readLine()) {
      String question = line;
      pending.put(pool.submit(() -> parses ? worker.parse(question) : worker.score(question)));
    }
    pending.put(pool.submit(() -> null));
    printer.join();
    pool.shutdown();
  }

  private static void print(BlockingQueue<Future<String>> pending, PrintStream answers) {
    try {
      for (String answer = pending.take().get(); answer != null; answer = pending.take().get()) {
        answers.println(answer);
        answers.flush();
      }
    } catch (Exception error) {
      System.err.println(error); // The last lines are what an error quotes: no stack trace.
      System.exit(1);
    }
  }
}
