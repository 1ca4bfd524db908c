import { output } from "./block";
import { quote } from "./json";

/** What a policy answers. Ends with `send()`, whose result is the result of `on_request`. */
export class Answer {
  private readonly action: string;
  private fields: string = "";
  private headers: string = "";

  private constructor(action: string) {
    this.action = action;
  }

  /** Lets the request pass. */
  static pass(): Answer {
    return new Answer("continue");
  }

  /** Answers instead of the service. */
  static respond(status: i32): Answer {
    const answer = new Answer("respond");
    answer.fields = ',"status":' + status.toString();
    return answer;
  }

  /** Lets the request pass, to a destination of the plugin's or the rule's choice. */
  static route(destination: string): Answer {
    const answer = new Answer("route");
    answer.fields = ',"destination":' + quote(destination);
    return answer;
  }

  /** Sets a header: of the response where we respond, else of the request. */
  header(name: string, value: string): Answer {
    return this.member(name, quote(value));
  }

  /** Takes a header of the request away. */
  without(name: string): Answer {
    return this.member(name, "null");
  }

  body(text: string): Answer {
    this.fields += ',"body":' + quote(text);
    return this;
  }

  retryAfterMs(ms: i64): Answer {
    this.fields += ',"retryAfterMs":' + ms.toString();
    return this;
  }

  send(): i32 {
    let json = '{"action":"' + this.action + '"' + this.fields;
    if (this.headers != "") json += (this.action == "respond" ? ',"headers":{' : ',"setHeaders":{') + this.headers + "}";
    output(json + "}");
    return 0;
  }

  private member(name: string, json: string): Answer {
    this.headers += (this.headers == "" ? "" : ",") + quote(name) + ":" + json;
    return this;
  }
}
